/** Why something is idle, paused, refused or moved: one closed type, one sentence each. */
export const REASONS = {
  'idle.covered': 'All layers are held here; you are a spare.',
  'idle.no_demand': 'Nobody is asking just now.',
  'idle.relayed': 'Your network only reaches us through a relay, so you are used as a spare.',
  'idle.audit': 'We are checking your device’s arithmetic.',
  'idle.cache': 'Fetching layers.',
  'idle.finishing': 'Finishing this answer, then stopping.',
  'pause.user': 'You paused.',
  'pause.hidden': 'The tab is in the background; the browser slows it down.',
  'pause.battery': 'On battery.',
  'pause.busy': 'You are using the computer; we step back.',
  'pause.thermal': 'Steps have become slower; cooling down.',
  'device.no_webgpu': 'Running on the processor (WASM SIMD).',
  'device.no_f16': 'Your GPU has no 16-bit arithmetic: twice the memory.',
  'device.wrong': 'Your device gives wrong results for this model, so it is not used.',
  'device.lost': 'The browser took the GPU back; starting again smaller.',
  'device.memory': 'Not enough memory for one layer of this model.',
  'device.storage':
    'This browser has no room for more layers: free disk space or other sites’ data, then stop and contribute again.',
  'device.shape': 'This model’s shape runs on the processor.',
  'device.insecure': 'This page needs https (or localhost) to store weights and to compute.',
  'refuse.credits': 'You do not have enough credits for this answer.',
  'refuse.queue': 'More requests than helpers just now.',
  'refuse.no_cover': 'Some layers have no holder.',
  'refuse.model': 'The helpers here cannot hold that model.',
  'refuse.room_ended': 'The lesson has ended.',
  'refuse.version': 'This page is out of date: reload it.',
  'answer.moved': 'One helper left; continued on another.',
  'answer.lost': 'The answer could not be continued; you were not charged.',
  'trust.unverified': 'This answer was not audited.',
  'trust.public': 'Strangers’ machines will read this text.',
} as const;

export type ReasonCode = keyof typeof REASONS;
export const reasonText = (code: ReasonCode): string => REASONS[code];
