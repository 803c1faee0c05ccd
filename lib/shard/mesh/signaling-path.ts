/** Where the server listens for nodes, on the port of its pages. */
export const SIGNALING_PATH = '/node';
