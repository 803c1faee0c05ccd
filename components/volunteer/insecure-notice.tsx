import { reasonText } from '#lib/kernel/reasons.ts';

/** Plain http from another machine: why nothing can be lent here, and where it can (M8). */
export function InsecureNotice({ httpsAddress }: { httpsAddress: string }) {
  return (
    <section
      role="alert"
      data-insecure
      className="rounded-2xl border border-line bg-warn-wash p-5 sm:p-7"
    >
      <p className="text-xl font-semibold text-warn">Open this page over https</p>
      <p className="mt-1">{reasonText('device.insecure')}</p>
      <p className="mt-4">
        <a
          href={httpsAddress}
          className="font-medium break-all text-accent underline underline-offset-4"
        >
          {httpsAddress}
        </a>
      </p>
      <p className="mt-4 text-[0.95rem] text-soft">
        If that does not open, whoever runs this server can start it with{' '}
        <code className="font-mono text-ink">npm start -- --tls self</code>. The browser warns once
        about a certificate of the server’s own; compare its fingerprint with the one that the
        server prints.
      </p>
    </section>
  );
}
