import wrtc from '@roamhq/wrtc';

/** Two connected peer connections of this process with one negotiated channel each. */
export async function rtcPair(): Promise<{
  readonly channels: readonly [RTCDataChannel, RTCDataChannel];
  readonly close: () => void;
}> {
  const [a, b] = [0, 1].map(() => new wrtc.RTCPeerConnection({ iceServers: [] })) as [
    RTCPeerConnection,
    RTCPeerConnection,
  ];
  a.onicecandidate = ({ candidate }) => void (candidate && b.addIceCandidate(candidate));
  b.onicecandidate = ({ candidate }) => void (candidate && a.addIceCandidate(candidate));
  const make = (pc: RTCPeerConnection) =>
    pc.createDataChannel('frames', { negotiated: true, id: 1 });
  const channels = [make(a), make(b)] as const;
  await a.setLocalDescription(await a.createOffer());
  await b.setRemoteDescription(a.localDescription as RTCSessionDescription);
  await b.setLocalDescription(await b.createAnswer());
  await a.setRemoteDescription(b.localDescription as RTCSessionDescription);
  return {
    channels,
    close: () => {
      a.close();
      b.close();
    },
  };
}
