"""The two plugins that ask webhooks: one lets them change objects, the other only asks."""

from __future__ import annotations

import asyncio
import logging
from time import perf_counter
from typing import Any

from kprov.kube.api import errors
from kprov.kube.apiserver.admission.answering import answered_for
from kprov.kube.apiserver.admission.attributes import CONNECT, CREATE, DELETE, UPDATE, AdmissionAttributes
from kprov.kube.apiserver.admission.instruments import ADMIT, VALIDATING, asked_webhook
from kprov.kube.apiserver.admission.matching import GROUP
from kprov.kube.apiserver.admission.plugin import Plugin, Surroundings, forbid
from kprov.kube.apiserver.admission.views import in_version, namespace_labels
from kprov.kube.apiserver.admission.webhooks.conditions import ConditionFailed, hold
from kprov.kube.apiserver.admission.webhooks.configured import Configured, Webhook
from kprov.kube.apiserver.admission.webhooks.reinvocation import Invocations
from kprov.kube.apiserver.admission.webhooks.review import Answer, patched, question, read_answer, review_version
from kprov.kube.apiserver.authentication.objects import NAMESPACES, GroupResource
from kprov.kube.apiserver.handlers.conformance import conform
from kprov.kube.apiserver.services.failures import CallFailed
from kprov.kube.apiserver.services.resolving import ENDPOINTS, SERVICES
from kprov.kube.apiserver.strategy import strategy_of
from kprov.kube.apiserver.versions import to_storage

Object = dict[str, Any]
_log = logging.getLogger(__name__)


class _Webhooks(Plugin):
    """What both have in common."""

    operations = frozenset((CREATE, UPDATE, DELETE, CONNECT))
    subresources = None
    configurations: GroupResource
    kind: str  # as metrics call it

    def __init__(self, around: Surroundings) -> None:
        super().__init__(around)
        self._configured = Configured(self.store, self.configurations)
        self._caller, self._conversion = around.webhooks, around.conversion

    def _concerned(self, attrs: AdmissionAttributes) -> list[tuple[Webhook, str]]:
        """The webhooks that want to hear of a write, each with the version that it wants to see."""
        hooks = self._configured.webhooks()
        if not hooks:
            return []
        wanted = [(hook, version) for hook in hooks if (version := hook.version_for(attrs)) is not None]
        if not wanted:
            return []
        labels = namespace_labels(self.store, attrs)
        return [(hook, version) for hook, version in wanted if hook.selects(attrs, labels)]

    async def _ask(self, hook: Webhook, version: str, attrs: AdmissionAttributes) -> Answer:
        """Ask a webhook. Raises ApiError where it refuses, or can't be asked and its failure is not to be ignored."""
        obj, old = [await in_version(self._conversion, attrs, version, each) for each in (attrs.obj, attrs.old_obj)]
        asked = question(attrs, version, obj, old)
        with answered_for(self.around.authorizer, attrs.user):
            if not self._is_wanted(hook, asked["request"], attrs):
                return Answer()
        if attrs.dry_run and hook.has_side_effects:
            raise errors.bad_request(f"admission webhook {hook.name} does not support dry run")
        began = perf_counter()
        try:
            asked = {**asked, "apiVersion": f"admission.k8s.io/{review_version(hook)}"}
            answer = read_answer(hook, asked, await self._caller.call(hook.client, asked, hook.seconds))
        except CallFailed as error:
            about = (hook.name, attrs.operation, self.kind, perf_counter() - began)
            asked_webhook(*about, error="calling_webhook_error", passed_over=hook.ignores_failure)
            return self._failed(hook, error)
        code = 0 if answer.refusal is None else answer.refusal.code
        asked_webhook(hook.name, attrs.operation, self.kind, perf_counter() - began, code=code)
        attrs.warnings.extend(text for text in answer.warnings if text not in attrs.warnings)
        attrs.note(answer.notes)
        if answer.refusal is not None:
            raise answer.refusal
        return answer

    @staticmethod
    def _is_wanted(hook: Webhook, request: Object, attrs: AdmissionAttributes) -> bool:
        """Whether a webhook's conditions let it hear of a write. Raises ApiError where that can't be told."""
        if not hook.conditions:
            return True
        try:
            return hold(hook.conditions, request)
        except ConditionFailed as error:
            if hook.ignores_failure:
                _log.warning("webhook %s of %s is passed over: %s", hook.name, hook.configuration, error)
                return False
            raise forbid(attrs, str(error)) from None

    @staticmethod
    def _failed(hook: Webhook, error: CallFailed) -> Answer:
        if hook.ignores_failure:
            _log.warning("webhook %s of %s is passed over: %s", hook.name, hook.configuration, error)
            return Answer()
        raise errors.internal(f'failed calling webhook "{hook.name}": {error}')


class MutatingAdmissionWebhook(_Webhooks):
    """Lets webhooks change objects, one after the other."""

    name = "MutatingAdmissionWebhook"
    kind = ADMIT
    configurations = (GROUP, "mutatingwebhookconfigurations")
    caches = (configurations, NAMESPACES, SERVICES, ENDPOINTS)

    async def mutate(self, attrs: AdmissionAttributes) -> None:
        """Ask each webhook; in the second round those that wish it, where the object was changed after them."""
        concerned = self._concerned(attrs)
        if not concerned:
            return
        asked: Invocations = attrs.webhooks or Invocations()
        if attrs.webhooks is not None:
            asked.begin_second(attrs.obj)
        attrs.webhooks = asked
        for hook, version in concerned:
            if asked.second and hook.key not in asked.due:
                continue
            before = attrs.obj
            await self._let_change(hook, version, attrs)
            if attrs.obj != before:
                asked.changed()
                attrs.again = True
            if hook.reinvoked:
                asked.earlier.add(hook.key)
        asked.end(attrs.obj)

    async def _let_change(self, hook: Webhook, version: str, attrs: AdmissionAttributes) -> None:
        answer = await self._ask(hook, version, attrs)
        if answer.patch is None:
            return
        if attrs.obj is None:
            told = "attempted to modify the object, which is not supported for this operation"
            raise errors.internal(f'admission webhook "{hook.name}" {told}')
        info = attrs.resource_info
        shown = await in_version(self._conversion, attrs, version, attrs.obj)
        try:
            new = patched(shown or {}, answer.patch)
        except CallFailed as error:
            self._failed(hook, error)
            return
        if attrs.obj.get("kind") != info.kind:
            attrs.obj = new
            return
        new = to_storage(info, version, conform(new, info, version, "Ignore", []))
        strategy_of(info.group, info.plural).default(new)
        attrs.obj = await self._conversion.object(info, new, attrs.version)


class ValidatingAdmissionWebhook(_Webhooks):
    """Asks webhooks about the finished object, all at once."""

    name = "ValidatingAdmissionWebhook"
    kind = VALIDATING
    configurations = (GROUP, "validatingwebhookconfigurations")
    caches = (configurations, NAMESPACES, SERVICES, ENDPOINTS)

    async def validate(self, attrs: AdmissionAttributes) -> None:
        """Ask each webhook. Raises ApiError of the first, in their order, that refuses."""
        concerned = self._concerned(attrs)
        if not concerned:
            return
        answers = await asyncio.gather(
            *(self._ask(hook, version, attrs) for hook, version in concerned), return_exceptions=True
        )
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
