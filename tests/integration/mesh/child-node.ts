import { startNode } from '#tests/support/mesh-cluster.ts';

/** A node in a process of its own, to be killed or frozen by a test; prints its id when online. */
const node = startNode(process.argv[2] ?? '');
const timer = setInterval(() => {
  if (!node.saw('online')) return;
  clearInterval(timer);
  process.stdout.write(`${node.id}\n`);
}, 20);
