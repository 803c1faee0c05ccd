let transferable: boolean | null = null;

/**
 * Whether this browser lets an `RTCDataChannel` go to a worker (Chromium, Safari; not Firefox, not
 * Node): found by sending one away, once a page.
 */
export function canTransferDataChannels(): boolean {
  return (transferable ??= probe());
}

function probe(): boolean {
  if (typeof RTCPeerConnection === 'undefined') return false;
  const connection = new RTCPeerConnection({ iceServers: [] });
  const { port1, port2 } = new MessageChannel();
  try {
    const channel = connection.createDataChannel('probe', { negotiated: true, id: 0 });
    port1.postMessage(channel, [channel]);
    return true;
  } catch {
    return false;
  } finally {
    port1.close();
    port2.close();
    connection.close();
  }
}
