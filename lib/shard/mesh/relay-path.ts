import { CreditChannel } from './credit-channel.ts';
import { encodeLinkMessage, type LinkMessage } from './link-message.ts';

/** A link's frames through the server's socket (M6): a credit channel of link messages. */
export class RelayPath {
  readonly channel: CreditChannel;
  #sent = 0;
  #received = 0;

  /** `send` hands bytes to the socket. Credit is given by the pump that joins worker and relay. */
  constructor(send: (bytes: Uint8Array) => void) {
    this.channel = new CreditChannel(
      {
        data: (bytes) => {
          this.#sent += bytes.length;
          send(encodeLinkMessage({ type: 'data', bytes }));
        },
        credit: (bytes) => {
          send(encodeLinkMessage({ type: 'credit', bytes }));
        },
        end: () => {
          send(encodeLinkMessage({ type: 'end' }));
        },
      },
      { manual: true },
    );
  }

  get bytes(): { readonly sent: number; readonly received: number } {
    return { sent: this.#sent, received: this.#received };
  }

  take(message: Extract<LinkMessage, { type: 'data' | 'credit' | 'end' }>): void {
    switch (message.type) {
      case 'data':
        this.#received += message.bytes.length;
        this.channel.takeData(message.bytes);
        return;
      case 'credit':
        this.channel.takeCredit(message.bytes);
        return;
      case 'end':
        this.channel.takeEnd();
    }
  }
}
