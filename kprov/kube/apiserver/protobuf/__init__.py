"""Request bodies in protobuf, which newer clients prefer, into the JSON shape that everything else here works with."""

from kprov.kube.apiserver.protobuf.decode import MEDIA_TYPE, ProtobufError, decode

__all__ = ["MEDIA_TYPE", "ProtobufError", "decode"]
