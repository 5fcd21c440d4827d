"""One object, or several that differ in what matters, of every kind that is stored."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]

_SPEC: Object = {
    "automountServiceAccountToken": False,
    "containers": [{"name": "c", "image": "image", "ports": [{"containerPort": 80}]}],
}
_TEMPLATE: Object = {"metadata": {"labels": {"app": "web"}}, "spec": _SPEC}
_SELECTOR: Object = {"matchLabels": {"app": "web"}}
_ROLE: Object = {"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}
_ONCE: Object = {"restartPolicy": "Never", **_SPEC}
_HOOKS: Object = {
    "webhooks": [
        {
            "name": "hook.example.com",
            "clientConfig": {"url": "https://127.0.0.1:1/"},
            "rules": [
                {"apiGroups": ["nobody.example.com"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"]}
            ],
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
            "failurePolicy": "Ignore",
        }
    ]
}
_SCALED: Object = {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}, "maxReplicas": 3}
_LEVEL: Object = {"type": "Limited", "limited": {"limitResponse": {"type": "Reject"}}}
_SHIRT: Object = {
    "type": "object",
    "properties": {
        "spec": {"type": "object", "properties": {"color": {"type": "string"}, "size": {"type": "integer"}}},
        "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    },
}
_SHIRTS: Object = {
    "group": "samples.example.com",
    "scope": "Namespaced",
    "names": {"plural": "shirts", "singular": "shirt", "kind": "Shirt", "shortNames": ["sh"]},
    "versions": [
        {
            "name": name,
            "served": True,
            "storage": name == "v1",
            "schema": {"openAPIV3Schema": _SHIRT},
            "subresources": {
                "status": {},
                "scale": {"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.size"},
            },
            "additionalPrinterColumns": [{"name": "Color", "type": "string", "jsonPath": ".spec.color"}],
        }
        for name in ("v1", "v1beta1")
    ],
}

# group, plural, kind -> name -> content. What is not named for a version is the same in all of them.
_NAMESPACED: dict[tuple[str, str, str], dict[str, Object]] = {
    ("", "configmaps", "ConfigMap"): {
        "plain": {"data": {"a": "b"}, "binaryData": {"x": "AAE="}},
        "fixed": {"immutable": True},
    },
    ("", "secrets", "Secret"): {
        "plain": {"data": {"a": "YQ=="}},
        "basic": {"type": "kubernetes.io/basic-auth", "stringData": {"username": "u"}},
    },
    ("", "serviceaccounts", "ServiceAccount"): {"web": {"secrets": [{"name": "plain"}]}},
    ("", "endpoints", "Endpoints"): {
        "web": {"subsets": [{"addresses": [{"ip": "1.2.3.4", "nodeName": "n"}], "ports": [{"port": 80}]}]}
    },
    ("", "services", "Service"): {
        "plain": {"spec": {"ports": [{"port": 80}], "selector": {"app": "web"}}},
        "node-port": {"spec": {"type": "NodePort", "ports": [{"port": 80}], "externalTrafficPolicy": "Local"}},
        "headless": {"spec": {"clusterIP": "None", "ports": [{"port": 80}]}},
        "elsewhere": {"spec": {"type": "ExternalName", "externalName": "example.com"}},
    },
    ("", "pods", "Pod"): {"plain": {"spec": _SPEC}},
    ("", "podtemplates", "PodTemplate"): {"plain": {"template": _TEMPLATE}},
    ("", "replicationcontrollers", "ReplicationController"): {"web": {"spec": {"replicas": 0, "template": _TEMPLATE}}},
    ("", "limitranges", "LimitRange"): {
        "plain": {"spec": {"limits": [{"type": "PersistentVolumeClaim", "max": {"storage": "1Ti"}}]}}
    },
    ("", "resourcequotas", "ResourceQuota"): {"plain": {"spec": {"hard": {"services.loadbalancers": "10"}}}},
    ("", "persistentvolumeclaims", "PersistentVolumeClaim"): {
        "plain": {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}
    },
    ("", "events", "Event"): {
        "plain": {
            "involvedObject": {"kind": "Pod", "namespace": "samples", "name": "plain"},
            "reason": "Sampled",
            "message": "a word",
            "type": "Normal",
            "source": {"component": "samples"},
            "count": 2,
            "firstTimestamp": "2026-01-01T00:00:00Z",
            "lastTimestamp": "2026-01-01T00:00:01Z",
        }
    },
    ("apps", "deployments", "Deployment"): {
        "web": {"spec": {"replicas": 2, "selector": _SELECTOR, "template": _TEMPLATE}}
    },
    ("apps", "replicasets", "ReplicaSet"): {
        "web": {"spec": {"replicas": 0, "selector": _SELECTOR, "template": _TEMPLATE}}
    },
    ("apps", "daemonsets", "DaemonSet"): {"web": {"spec": {"selector": _SELECTOR, "template": _TEMPLATE}}},
    ("apps", "statefulsets", "StatefulSet"): {
        "web": {"spec": {"selector": _SELECTOR, "template": _TEMPLATE, "serviceName": "headless"}}
    },
    ("apps", "controllerrevisions", "ControllerRevision"): {"web": {"data": {"spec": {"a": "b"}}, "revision": 1}},
    ("batch", "jobs", "Job"): {"once": {"spec": {"template": {"spec": _ONCE}}}},
    ("batch", "cronjobs", "CronJob"): {
        "often": {"spec": {"schedule": "*/5 * * * *", "jobTemplate": {"spec": {"template": {"spec": _ONCE}}}}}
    },
    ("autoscaling", "horizontalpodautoscalers", "HorizontalPodAutoscaler"): {
        "plain": {"spec": _SCALED},
        "none": {"spec": {**_SCALED, "minReplicas": 1}},
    },
    ("policy", "poddisruptionbudgets", "PodDisruptionBudget"): {
        "web": {"spec": {"minAvailable": 1, "selector": _SELECTOR}},
        "share": {"spec": {"maxUnavailable": "20%", "selector": _SELECTOR}},
        "all-or-none": {"spec": {"minAvailable": 1, "selector": {}}},
    },
    ("networking.k8s.io", "ingresses", "Ingress"): {
        "web": {
            "spec": {
                "ingressClassName": "plain",
                "rules": [
                    {
                        "host": "example.com",
                        "http": {
                            "paths": [
                                {
                                    "path": "/",
                                    "pathType": "Prefix",
                                    "backend": {"service": {"name": "plain", "port": {"number": 80}}},
                                }
                            ]
                        },
                    }
                ],
                "defaultBackend": {"service": {"name": "plain", "port": {"name": "http"}}},
                "tls": [{"hosts": ["example.com"], "secretName": "plain"}],
            }
        }
    },
    ("networking.k8s.io", "networkpolicies", "NetworkPolicy"): {
        "web": {"spec": {"podSelector": _SELECTOR, "ingress": [{"ports": [{"port": 80}]}]}}
    },
    ("rbac.authorization.k8s.io", "roles", "Role"): {"reader": _ROLE},
    ("rbac.authorization.k8s.io", "rolebindings", "RoleBinding"): {
        "readers": {
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"},
            "subjects": [{"kind": "ServiceAccount", "name": "web"}],
        }
    },
    ("coordination.k8s.io", "leases", "Lease"): {
        "plain": {
            "spec": {"holderIdentity": "me", "leaseDurationSeconds": 15, "renewTime": "2026-01-01T00:00:00.000000Z"}
        }
    },
    ("discovery.k8s.io", "endpointslices", "EndpointSlice"): {
        "web": {
            "addressType": "IPv4",
            "ports": [{"name": "http", "port": 80}],
            "endpoints": [
                {"addresses": ["1.2.3.4"], "conditions": {"ready": True}, "targetRef": {"kind": "Pod", "name": "plain"}}
            ],
        }
    },
    ("samples.example.com", "shirts", "Shirt"): {"blue": {"spec": {"color": "blue", "size": 3}}},
}

_CLUSTER: dict[tuple[str, str, str], dict[str, Object]] = {
    ("", "nodes", "Node"): {
        "node-a": {"spec": {"podCIDR": "10.1.0.0/24", "unschedulable": True}, "status": {"capacity": {"cpu": "2"}}}
    },
    ("", "persistentvolumes", "PersistentVolume"): {
        "plain": {
            "spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/x"}}
        }
    },
    ("rbac.authorization.k8s.io", "clusterroles", "ClusterRole"): {"sampled": _ROLE},
    ("rbac.authorization.k8s.io", "clusterrolebindings", "ClusterRoleBinding"): {
        "sampled": {
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "sampled"},
            "subjects": [{"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": "people"}],
        }
    },
    ("networking.k8s.io", "ingressclasses", "IngressClass"): {"plain": {"spec": {"controller": "example.com/ingress"}}},
    ("storage.k8s.io", "storageclasses", "StorageClass"): {
        "plain": {"provisioner": "example.com/disk", "parameters": {"a": "b"}}
    },
    ("storage.k8s.io", "volumeattachments", "VolumeAttachment"): {
        "plain": {
            "spec": {"attacher": "example.com", "nodeName": "node-a", "source": {"persistentVolumeName": "plain"}}
        }
    },
    ("storage.k8s.io", "csidrivers", "CSIDriver"): {
        "example.com": {"spec": {"attachRequired": True, "podInfoOnMount": False}}
    },
    ("storage.k8s.io", "csinodes", "CSINode"): {
        "node-a": {"spec": {"drivers": [{"name": "example.com", "nodeID": "a", "topologyKeys": ["t"]}]}}
    },
    ("scheduling.k8s.io", "priorityclasses", "PriorityClass"): {"sampled": {"value": 10, "description": "a sample"}},
    ("node.k8s.io", "runtimeclasses", "RuntimeClass"): {"sampled": {"handler": "runc"}},
    ("admissionregistration.k8s.io", "mutatingwebhookconfigurations", "MutatingWebhookConfiguration"): {
        "sampled": _HOOKS
    },
    ("admissionregistration.k8s.io", "validatingwebhookconfigurations", "ValidatingWebhookConfiguration"): {
        "sampled": _HOOKS
    },
    ("apiregistration.k8s.io", "apiservices", "APIService"): {
        "v1.others.example.com": {
            "spec": {
                "group": "others.example.com",
                "version": "v1",
                "groupPriorityMinimum": 100,
                "versionPriority": 10,
                "insecureSkipTLSVerify": True,
                "service": {"namespace": "samples", "name": "plain"},
            }
        }
    },
    ("flowcontrol.apiserver.k8s.io", "flowschemas", "FlowSchema"): {
        "sampled": {"spec": {"priorityLevelConfiguration": {"name": "sampled"}, "matchingPrecedence": 500}}
    },
    ("flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations", "PriorityLevelConfiguration"): {
        "sampled": {"spec": _LEVEL}
    },
}

# Shapes that a version has of its own, beside the samples above.
_OF_VERSIONS: dict[tuple[str, str], dict[str, Object]] = {
    ("discovery.k8s.io/v1beta1", "endpointslices"): {
        "placed": {
            "addressType": "IPv4",
            "ports": [{"port": 80}],
            "endpoints": [
                {
                    "addresses": ["1.2.3.5"],
                    "topology": {"kubernetes.io/hostname": "node-a", "topology.kubernetes.io/zone": "z", "t": "u"},
                }
            ],
        }
    },
    ("discovery.k8s.io/v1", "endpointslices"): {
        "placed": {
            "addressType": "IPv4",
            "ports": [{"port": 80}],
            "endpoints": [{"addresses": ["1.2.3.5"], "nodeName": "node-a", "zone": "z"}],
        }
    },
    ("autoscaling/v1", "horizontalpodautoscalers"): {
        "cpu": {"spec": {**_SCALED, "targetCPUUtilizationPercentage": 50}}
    },
    ("autoscaling/v2", "horizontalpodautoscalers"): {
        "cpu": {
            "spec": {
                **_SCALED,
                "metrics": [
                    {
                        "type": "Resource",
                        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}},
                    }
                ],
                "behavior": {
                    "scaleDown": {
                        "stabilizationWindowSeconds": 60,
                        "selectPolicy": "Max",
                        "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}],
                    }
                },
            }
        },
        "requests": {
            "spec": {
                **_SCALED,
                "metrics": [
                    {
                        "type": "Resource",
                        "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "100Mi"}},
                    },
                    {
                        "type": "Pods",
                        "pods": {
                            "metric": {"name": "requests"},
                            "target": {"type": "AverageValue", "averageValue": "1k"},
                        },
                    },
                ],
            }
        },
    },
}
_OF_VERSIONS["autoscaling/v2beta2", "horizontalpodautoscalers"] = _OF_VERSIONS[
    "autoscaling/v2", "horizontalpodautoscalers"
]

NAMESPACE: Object = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "samples"}}
DEFINITION: Object = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "shirts.samples.example.com"},
    "spec": _SHIRTS,
}


def samples_of(group: str, version: str, plural: str) -> list[Object]:
    """The samples of a kind in one of its versions."""
    made = []
    api_version = f"{group}/{version}" if group else version
    for samples, namespace in ((_NAMESPACED, "samples"), (_CLUSTER, "")):
        for (its_group, its_plural, kind), contents in samples.items():
            if (its_group, its_plural) != (group, plural):
                continue
            for name, content in (contents | _OF_VERSIONS.get((api_version, plural), {})).items():
                metadata = {
                    "name": name,
                    "labels": {"sample": "yes"},
                    **({"namespace": namespace} if namespace else {}),
                }
                made.append({"apiVersion": api_version, "kind": kind, "metadata": metadata, **content})
    return made
