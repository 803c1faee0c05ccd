/** Ends the process with a sentence where Node is older than `engines` asks. */
export function requireNode(minimum = [20, 19]) {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major > minimum[0] || (major === minimum[0] && minor >= minimum[1])) return;
  process.stderr.write(
    `DeCLAI needs Node ${minimum.join('.')} or newer; this is ${process.versions.node}.\n` +
      'Install a current version from https://nodejs.org and run the command again.\n',
  );
  process.exit(1);
}
