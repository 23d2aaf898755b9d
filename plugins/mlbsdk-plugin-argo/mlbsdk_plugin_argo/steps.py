"""The steps of workflows: containers that run ``mlbsdk`` with arguments, never through a shell.

A parameter reaches a step as one argument of its own, or as part of one, whatever is in it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from hera.workflows import Container, Parameter, models
from hera.workflows import RetryStrategy as Retry

from mlbsdk_plugin_argo.configuration import Retries, WorkflowConfiguration

if TYPE_CHECKING:
    from mlbsdk_plugin_argo.configuration import KeyOfConfigMap, Resources

#: Where a step may write: the image's root file system is read-only.
SCRATCH = "/scratch"
SETTINGS = "/etc/mlbsdk/settings"
EXPORT = "/etc/mlbsdk/export"
#: The user of the image (docker/Dockerfile).
USER = 10001
#: 2 is a wrong command or configuration, 3 a closed quality gate: trying again changes neither.
WORTH_A_RETRY = "asInt(lastRetry.exitCode) not in [2, 3]"

Kind = Literal["small", "fetch", "transform"]


class Steps:
    """Makes the steps of one workflow.

    Args:
        configuration: the workflow's configuration.
        job: the name of the workflow's OpenLineage job: the parent of all runs in it.
        export_file: the configuration of exports, where it is a file of this machine and in no ConfigMap.
    """

    def __init__(self, configuration: WorkflowConfiguration, job: str, export_file: str | None = None) -> None:
        self.configuration = configuration
        self.job = job
        self._export_file = export_file

    def step(
        self,
        name: str,
        arguments: Sequence[str],
        kind: Kind,
        *,
        inputs: Sequence[str] = (),
        outputs: Sequence[Parameter] = (),
        mutex: str | None = None,
        calls_api: bool = False,
        with_export: bool = False,
        deadline: int | None = None,
    ) -> Container:
        """Return the template of a step that runs ``mlbsdk`` with these arguments."""
        configuration = self.configuration
        return Container(
            name=name,
            image=configuration.image,
            image_pull_policy=configuration.image_pull_policy,
            command=["mlbsdk"],
            args=list(arguments),
            inputs=[Parameter(name=one) for one in inputs],
            outputs=list(outputs),
            env=[*self._env(), *(self._spark() if kind == "transform" else ())],
            env_from=[
                models.EnvFromSource(secret_ref=models.SecretEnvSource(name=one)) for one in configuration.secrets_from
            ],
            volume_mounts=self._mounts(with_export),
            resources=_resources(getattr(configuration.resources, kind)),
            security_context=models.SecurityContext(
                allow_privilege_escalation=False,
                read_only_root_filesystem=True,
                run_as_non_root=True,
                capabilities=models.Capabilities(drop=["ALL"]),
                seccomp_profile=models.SeccompProfile(type="RuntimeDefault"),
            ),
            retry_strategy=_retry(configuration.retries),
            synchronization=self._synchronization(mutex, calls_api),
            # A driver asks Kubernetes for its executors; no other step has a token.
            automount_service_account_token=True if kind == "transform" and configuration.runs_executors else None,
            active_deadline_seconds=deadline or configuration.deadlines.step,
            labels={"mlbsdk.dev/step": name},
        )

    def tell(self, name: str, status: str) -> Container:
        """Return the step that tells the lineage backend how the workflow stands."""
        return self.step(
            name,
            ["workflow", "tell", "--job", self.job, "--run-id", "{{workflow.uid}}", "--status", status],
            "small",
        )

    def transform(self, name: str, transforms: Sequence[str], source: str, inputs: Sequence[str] = ()) -> Container:
        """Return the step that runs transforms on captures; one at a time writes to the target."""
        return self.step(
            name,
            ["run", *transforms, "--source", source, "--target", self.configuration.target, *self.run_options()],
            "transform",
            inputs=inputs,
            mutex=self.target_mutex,
        )

    def derive(self) -> Container:
        """Return the step that brings derived tables up to date."""
        configuration = self.configuration
        return self.step(
            "derive",
            ["derive", *configuration.derive, "--target", configuration.target, *self.settings_option()],
            "transform",
            mutex=self.target_mutex,
        )

    def export(self, source: str) -> Container:
        """Return the step that exports captures and tables."""
        export = self.configuration.export
        file = f"{EXPORT}/{export.key}" if export is not None else str(self._export_file)
        return self.step(
            "export",
            ["export", "--config", file, "--source", source],
            "transform",
            mutex=f"{self.target_mutex}-export",
            with_export=export is not None,
        )

    @property
    def exports(self) -> bool:
        """Whether there is something to export to."""
        return self.configuration.export is not None or self._export_file is not None

    @property
    def target_mutex(self) -> str:
        """The mutex of all that write to the target, in whatever workflow."""
        return f"mlbsdk-{hashlib.sha256(self.configuration.target.encode()).hexdigest()[:16]}"

    def settings_option(self) -> list[str]:
        """Return the option that names the settings file, where there is one."""
        settings = self.configuration.settings
        return [] if settings is None else ["--config", f"{SETTINGS}/{settings.key}"]

    def run_options(self) -> list[str]:
        """Return the options of commands that run transforms."""
        policy = self.configuration.on_error
        return [*([] if policy is None else ["--on-error", policy]), *self.settings_option()]

    def fetch_options(self) -> list[str]:
        """Return the options of commands that ask the API."""
        rate = self.configuration.api_rate
        return [] if rate is None else ["--rate", f"{rate:g}/s"]

    def volumes(self) -> list[models.Volume]:
        """Return the volumes that the steps mount."""
        configuration = self.configuration
        found = [models.Volume(name="scratch", empty_dir=models.EmptyDirVolumeSource())]
        if configuration.volume is not None:
            claim = models.PersistentVolumeClaimVolumeSource(claim_name=configuration.volume.claim)
            found.append(models.Volume(name="data", persistent_volume_claim=claim))
        if configuration.settings is not None:
            found.append(_config_map("settings", configuration.settings))
        if configuration.export is not None:
            found.append(_config_map("export", configuration.export))
        return found

    def _mounts(self, with_export: bool) -> list[models.VolumeMount]:
        configuration = self.configuration
        found = [models.VolumeMount(name="scratch", mount_path=SCRATCH)]
        if configuration.volume is not None:
            found.append(models.VolumeMount(name="data", mount_path=configuration.volume.path))
        if configuration.settings is not None:
            found.append(models.VolumeMount(name="settings", mount_path=SETTINGS, read_only=True))
        if with_export:
            found.append(models.VolumeMount(name="export", mount_path=EXPORT, read_only=True))
        return found

    def _env(self) -> list[models.EnvVar]:
        configuration = self.configuration
        namespace = configuration.lineage_namespace
        run = {"run": {"runId": "{{workflow.uid}}"}, "job": {"namespace": namespace, "name": self.job}}
        # Both spellings that OpenLineage knows: the second breaks where a name holds a '/', the first is newer.
        context = json.dumps({"parent": run | {"root": run}})
        plain = {
            "MLBSDK_LINEAGE_NAMESPACE": namespace,
            "OPENLINEAGE_CONTEXT": context,
            "OPENLINEAGE_PARENT_ID": f"{namespace}/{self.job}/{{{{workflow.uid}}}}",
            **configuration.env,
        }
        found = [models.EnvVar(name=name, value=value) for name, value in plain.items()]
        for name, secret in configuration.secrets.items():
            key = models.SecretKeySelector(name=secret.secret, key=secret.key)
            found.append(models.EnvVar(name=name, value_from=models.EnvVarSource(secret_key_ref=key)))
        return found

    def _spark(self) -> list[models.EnvVar]:
        """Return the variables that give Spark its settings; Kubernetes fills in what is $(NAME)."""
        configuration = self.configuration
        settings = dict(configuration.spark)
        found = []
        if configuration.runs_executors:
            for name, path in (("POD_IP", "status.podIP"), ("POD_NAME", "metadata.name")):
                source = models.EnvVarSource(field_ref=models.ObjectFieldSelector(field_path=path))
                found.append(models.EnvVar(name=name, value_from=source))
            # Executors call the driver back, and are removed with its pod.
            settings |= {"spark.driver.host": "$(POD_IP)", "spark.kubernetes.driver.pod.name": "$(POD_NAME)"}
            settings = {"spark.kubernetes.container.image": configuration.image, **settings}
        if settings:
            found.append(models.EnvVar(name="MLBSDK_SPARK", value=json.dumps(settings)))
        return found

    def _synchronization(self, mutex: str | None, calls_api: bool) -> models.Synchronization | None:
        semaphore = self.configuration.api_semaphore if calls_api else None
        if mutex is None and semaphore is None:
            return None
        return models.Synchronization(
            mutexes=None if mutex is None else [models.Mutex(name=mutex)],
            semaphores=None
            if semaphore is None
            else [
                models.SemaphoreRef(
                    config_map_key_ref=models.ConfigMapKeySelector(name=semaphore.config_map, key=semaphore.key)
                )
            ],
        )


def workflow_options(configuration: WorkflowConfiguration, deadline: int, at_least: int = 1) -> dict[str, Any]:
    """Return what every workflow says of itself: who runs it, how long, and what is left of it.

    ``at_least`` so many steps run at once, whatever the configuration says.
    """
    return {
        "namespace": configuration.namespace,
        "service_account_name": configuration.service_account,
        # No step asks the Kubernetes API; Argo's own sidecar has a token of its own.
        "automount_service_account_token": False,
        "executor": None
        if configuration.service_account is None
        else models.ExecutorConfig(service_account_name=configuration.service_account),
        "security_context": models.PodSecurityContext(
            run_as_non_root=True, run_as_user=USER, run_as_group=USER, fs_group=USER
        ),
        "parallelism": max(configuration.parallelism, at_least),
        "active_deadline_seconds": deadline,
        "ttl_strategy": models.TTLStrategy(seconds_after_completion=configuration.keep_seconds),
        "pod_gc": models.PodGC(strategy="OnPodSuccess", delete_delay_duration="600s"),
        "archive_logs": None,
    }


def _retry(retries: Retries) -> Retry:
    return Retry(
        limit=str(retries.limit),
        retry_policy="Always",
        expression=WORTH_A_RETRY,
        backoff=models.Backoff(duration=retries.wait, factor=models.IntOrString(root=str(retries.factor))),
    )


def _resources(wanted: Resources) -> models.ResourceRequirements:
    cpu, memory = models.Quantity(root=wanted.cpu), models.Quantity(root=wanted.memory)
    # No limit of processor time: throttled Spark is slow and no one's gain. Memory can't be lent.
    return models.ResourceRequirements(requests={"cpu": cpu, "memory": memory}, limits={"memory": memory})


def _config_map(name: str, key: KeyOfConfigMap) -> models.Volume:
    source = models.ConfigMapVolumeSource(name=key.config_map, items=[models.KeyToPath(key=key.key, path=key.key)])
    return models.Volume(name=name, config_map=source)
