/** Addresses of the page's server. */
export const ORT_PATH = '/ort/';
export const PART_PATH = '/part/';
