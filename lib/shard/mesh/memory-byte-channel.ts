import { CreditChannel, type Carrier } from './credit-channel.ts';

/** Runs a delivery later: a microtask, or an event of a simulator's clock. */
export type Deliver = (run: () => void) => void;

/** Two joined ends in one thread: the twin of all byte channels, for tests and simulators. */
export function memoryByteChannels(
  deliver: Deliver = queueMicrotask,
): readonly [CreditChannel, CreditChannel] {
  const carrierTo = (other: () => CreditChannel): Carrier => ({
    data: (bytes) => {
      deliver(() => {
        other().takeData(bytes);
      });
    },
    credit: (bytes) => {
      deliver(() => {
        other().takeCredit(bytes);
      });
    },
    end: () => {
      deliver(() => {
        other().takeEnd();
      });
    },
  });
  const left: CreditChannel = new CreditChannel(
    carrierTo(() => right),
    { manual: false },
  );
  const right: CreditChannel = new CreditChannel(
    carrierTo(() => left),
    { manual: false },
  );
  return [left, right];
}
