"""What machines need, gathered once on the controller and shipped over SSH: packages, daemons, images."""

from kprov.provision.bundle.bundle import Bundle
from kprov.provision.bundle.errors import BundleError
from kprov.provision.bundle.manifest import Artifact, DaemonRelease, Image, Package

__all__ = ["Artifact", "Bundle", "BundleError", "DaemonRelease", "Image", "Package"]
