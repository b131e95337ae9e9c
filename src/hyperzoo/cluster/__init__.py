"""Many machines, one zoo: pieces of work whose results are bundles. See docs/cluster.md."""
