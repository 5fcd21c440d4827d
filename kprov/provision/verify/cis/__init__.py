"""The CIS Kubernetes benchmark, as kube-bench checks it, in kprov's own words."""
