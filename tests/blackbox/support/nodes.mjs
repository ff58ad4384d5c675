// How many nodes a server under test has.

export const nodeCount = Number(process.env.NODES_UNDER_TEST ?? 1);
