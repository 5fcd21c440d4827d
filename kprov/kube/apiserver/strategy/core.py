"""The kinds of the core group."""

from kprov.kube.apiserver.strategy.base import Strategy
from kprov.kube.apiserver.strategy.configuration import (
    ConfigMapStrategy,
    SecretStrategy,
    ServiceAccountStrategy,
)
from kprov.kube.apiserver.strategy.endpoints import EndpointsStrategy
from kprov.kube.apiserver.strategy.events import EventStrategy
from kprov.kube.apiserver.strategy.limits import LimitRangeStrategy, ResourceQuotaStrategy
from kprov.kube.apiserver.strategy.namespaces import NamespaceStrategy
from kprov.kube.apiserver.strategy.nodes import NodeStrategy
from kprov.kube.apiserver.strategy.pods import PodStrategy, PodTemplateStrategy
from kprov.kube.apiserver.strategy.services import ServiceStrategy
from kprov.kube.apiserver.strategy.volumes import ClaimStrategy, VolumeStrategy
from kprov.kube.apiserver.strategy.workloads import ReplicationControllerStrategy

STRATEGIES: dict[str, Strategy] = {
    "configmaps": ConfigMapStrategy(),
    "endpoints": EndpointsStrategy(),
    "events": EventStrategy(),
    "limitranges": LimitRangeStrategy(),
    "namespaces": NamespaceStrategy(),
    "nodes": NodeStrategy(),
    "persistentvolumeclaims": ClaimStrategy(),
    "persistentvolumes": VolumeStrategy(),
    "pods": PodStrategy(),
    "podtemplates": PodTemplateStrategy(),
    "replicationcontrollers": ReplicationControllerStrategy(),
    "resourcequotas": ResourceQuotaStrategy(),
    "secrets": SecretStrategy(),
    "serviceaccounts": ServiceAccountStrategy(),
    "services": ServiceStrategy(),
}
