"""What benchmarks/apiserver.py is made of: servers, load, watchers, the figures."""
