import { FrameChannel } from './frame-channel.ts';
import { portByteChannel } from './port-byte-channel.ts';
import { rtcByteChannel } from './rtc-byte-channel.ts';
import type { LinkPort } from './types.ts';

/** The frames of a link, in the thread that its port was transferred to. */
export const openLinkPort = (port: LinkPort): FrameChannel =>
  new FrameChannel(port.kind === 'rtc' ? rtcByteChannel(port.channel) : portByteChannel(port.port));
