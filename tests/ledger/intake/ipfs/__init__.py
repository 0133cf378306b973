"""An IPFS node of another make for the tests: `node.mjs`."""
