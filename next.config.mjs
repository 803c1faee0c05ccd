const development = process.env.NODE_ENV === 'development';

/**
 * Everything comes from this origin: no font, script or picture of somebody else's.
 * Next's static pages carry inline scripts without a nonce, hence 'unsafe-inline'; its development
 * server needs 'unsafe-eval'. `connect-src` names ws because Safari's 'self' leaves sockets out.
 */
const contentSecurityPolicy = [
  `default-src 'self'`,
  `script-src 'self' 'unsafe-inline' 'wasm-unsafe-eval'${development ? ` 'unsafe-eval'` : ''}`,
  `style-src 'self' 'unsafe-inline'`,
  `img-src 'self' data: blob:`,
  `connect-src 'self' ws: wss:`,
  `worker-src 'self' blob:`,
  `object-src 'none'`,
  `base-uri 'none'`,
  `form-action 'self'`,
  `frame-ancestors 'none'`,
].join('; ');

/** COOP and COEP make the pages cross-origin isolated: threads need shared memory. */
const headers = [
  { key: 'Cross-Origin-Opener-Policy', value: 'same-origin' },
  { key: 'Cross-Origin-Embedder-Policy', value: 'require-corp' },
  { key: 'Cross-Origin-Resource-Policy', value: 'same-origin' },
  { key: 'Content-Security-Policy', value: contentSecurityPolicy },
  { key: 'X-Content-Type-Options', value: 'nosniff' },
  { key: 'Referrer-Policy', value: 'same-origin' },
];

/**
 * ONNX Runtime with its WebAssembly outside of the bundle, from `/ort/<version>/`: what its exports
 * give under the condition `onnxruntime-web-use-extern-wasm`, which Turbopack cannot be told.
 */
const ONNX_RUNTIME = './node_modules/onnxruntime-web/dist';

/** @type {import('next').NextConfig} */
const config = {
  reactStrictMode: true,
  poweredByHeader: false,
  devIndicators: false,
  serverExternalPackages: ['@roamhq/wrtc', 'assemblyscript', 'socket.io'],
  // `npm run check` types the whole repository once; a start must not do it again.
  typescript: { ignoreBuildErrors: true },
  turbopack: {
    resolveAlias: {
      'onnxruntime-web/jspi': `${ONNX_RUNTIME}/ort.jspi.min.mjs`,
      'onnxruntime-web/webgpu': `${ONNX_RUNTIME}/ort.webgpu.min.mjs`,
    },
  },
  headers: async () => [{ source: '/:path*', headers }],
};

export default config;
