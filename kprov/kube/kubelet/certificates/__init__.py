"""The kubelet's own certificates: asked of the cluster, kept on disk, renewed in time."""
