"""Stands for nvidia-ml-py: two GPUs, the second of which computes, and one of another job."""

from types import SimpleNamespace

BUSES = {
    "GPU-bbbb": "00000000:41:00.0",
    "GPU-cccc": "00000000:21:00.0",
    "GPU-aaaa": "00000000:01:00.0",
}
ready = False


class NVMLError(Exception):
    pass


def nvmlInit():
    global ready
    ready = True


def nvmlSystemGetDriverVersion():
    assert ready
    return "570.86.15"


def nvmlDeviceGetCount():
    assert ready
    return len(BUSES)


def nvmlDeviceGetHandleByIndex(index):
    uuid = list(BUSES)[index]
    if uuid == "GPU-cccc":
        raise NVMLError("Insufficient Permissions")
    return uuid


def nvmlDeviceGetHandleByUUID(uuid):
    assert ready
    if uuid not in BUSES:
        raise NVMLError("Not Found")
    return uuid


def nvmlDeviceGetUUID(handle):
    return handle


def nvmlDeviceGetPciInfo(handle):
    return SimpleNamespace(busId=BUSES[handle])


def nvmlDeviceGetComputeRunningProcesses(handle):
    return [SimpleNamespace(pid=1234)] if handle == "GPU-bbbb" else []


def nvmlDeviceGetMaxClockInfo(handle, kind):
    assert kind == 1
    return 1980
