from omegaconf import DictConfig, OmegaConf

from gradbench.request.hydra_app import ComposedOnce


def test_each_job_is_composed_once_and_knows_what_was_resolved_since() -> None:
    composed: list[list[str]] = []

    def compose(master: DictConfig, overrides: list[str]) -> DictConfig:
        composed.append(overrides)
        return OmegaConf.create({"time": "${heard:}", "overrides": overrides})

    now = iter(["early", "late"])
    OmegaConf.register_new_resolver("heard", lambda: next(now), use_cache=True, replace=True)
    master = OmegaConf.create({"time": "${heard:}"})
    once = ComposedOnce(compose)
    jobs = [["rule=sgd"], ["rule=adamw"]]
    for job in jobs:
        once(master, job)
    assert master.time == "early"
    again = [once(master, job) for job in jobs]
    assert composed == jobs
    assert [config.time for config in again] == ["early", "early"]
    assert [config.overrides for config in again] == jobs
    once(master, jobs[0])  # handed out twice, so it is no longer there
    assert composed == [*jobs, jobs[0]]
