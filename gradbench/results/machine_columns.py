"""The columns of ``cells`` that say how busy the machine was, and with what."""

from __future__ import annotations

from gradbench.results.column import FLAG, REAL, TEXT, Column

MACHINE = (
    Column(
        "contended",
        FLAG,
        "",
        "Fewer than half of the block's update samples were clean.",
    ),
    Column(
        "contention",
        TEXT,
        "",
        "Why the block was measured on a busy machine, in words; null where it was quiet.",
        added=True,
    ),
    Column(
        "elsewhere_processors",
        REAL,
        "",
        "Processors that other processes kept busy during the block, of those it may use.",
        added=True,
    ),
    Column(
        "steal_fraction",
        REAL,
        "",
        "Share of the processors' time that a hypervisor took during the block.",
        added=True,
    ),
    Column(
        "waiting_fraction",
        REAL,
        "",
        "Share of their time that the block's threads could have run and waited for a processor; "
        "null where the system does not tell.",
        added=True,
    ),
    Column(
        "switches_per_s",
        REAL,
        "1/s",
        "Involuntary context switches of the block's process per second.",
        added=True,
    ),
    Column(
        "slow_fraction",
        REAL,
        "",
        "Share of rounds whose bandwidth control took 1.25 times its first decile or more.",
        added=True,
    ),
    Column(
        "moved_fraction",
        REAL,
        "",
        "Share of rounds in which the processors lay otherwise than in most, together or apart: "
        "their exchange control took more than 1.4 times the usual, or less by as much. They are "
        "left out where they are at most half of them and two replicates are left.",
        added=True,
    ),
    Column(
        "exchange_s",
        REAL,
        "s",
        "Time of the exchange control: each thread rewrites 32768 elements that its neighbour has "
        "just written. Longer where processors lie apart, which share no cache. Null where one "
        "thread does the work, and on a GPU.",
        added=True,
    ),
    Column(
        "gpu_clock_low_hz",
        REAL,
        "Hz",
        "Lowest clock of the GPU after a replicate; null if unknown.",
        added=True,
    ),
    Column(
        "gpu_clock_high_hz",
        REAL,
        "Hz",
        "Highest clock of the GPU after a replicate; null if unknown.",
        added=True,
    ),
    Column(
        "exclusive",
        FLAG,
        "",
        "The block had its device to itself: as it began and ended, no other process was on the "
        "GPU, and on a cluster no other job on the CPU's node; null where nobody could tell.",
        added=True,
    ),
    Column("shared_with", TEXT, "", "What else was on the device then.", added=True),
)
