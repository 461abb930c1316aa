"""Tiny datasets in their publishers' layout, with what a correct loader makes of them.

Each writer takes an empty folder, writes files with known samples (converted to the publisher's units by plain
arithmetic here, not by the code under test) and returns a :class:`Truth` about one of the recordings.
"""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy.io import savemat

G = 9.80665
DEG = math.pi / 180.0


@dataclass
class Truth:
    """What the loader must yield."""

    recordings: int
    subjects: set[str]
    name: str
    rate_hz: float
    site: str
    data: np.ndarray
    labels: list[str]
    spans: list[tuple[float, float]] = field(default_factory=list)
    tolerance: float = 1e-4
    units: tuple[str, ...] = ()


def wave(n: int, channels: int = 6, seed: int = 0) -> np.ndarray:
    """Plausible samples: gravity on z plus movement in g, and rates in rad/s; shape (n, channels)."""
    rng = np.random.default_rng(seed)
    out = rng.normal(0, 0.1, (n, channels))
    out[:, 2] += 1.0
    return np.round(out, 5)


def lines(path: Path, rows: list[str], header: str = "", end: str = "\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(row + end for row in ([header] if header else []) + rows))
    return path


def csv(rows: np.ndarray, sep: str = ",") -> list[str]:
    return [sep.join(f"{v:.9g}" for v in row) for row in rows]


# --- glasses, phones and watches --------------------------------------------------------------------------------


def metawear(folder: Path, experiment: int, sensor: str, data: np.ndarray, start_ms: int, unit: str) -> Path:
    name = f"{experiment}_MetaWear_2019-09-14T16.16.00.093_F1E55E2FE95F_{sensor}_100.000Hz_1.4.5.csv"
    head = f"epoch (ms),time (-13:00),elapsed (s),x-axis ({unit}),y-axis ({unit}),z-axis ({unit})"
    rows = [f"{start_ms + 10 * i},t,{i / 100:.3f},{row}" for i, row in enumerate(csv(data))]
    return lines(folder / name, rows, head)


def classyglass(folder: Path) -> Truth:
    data = wave(200)
    for part, user, experiment in (("1A", 1, 10), ("1B", 24, 307), ("2", 1, 4)):
        below = "SensorData/" if part == "2" else ""
        place = folder / f"Datasets/Dataset_{part}" / f"{below}User{user}"
        metawear(place, experiment, "Accelerometer", data[:, :3], 1_568_492_160_270, "g")
        metawear(place, experiment, "Gyroscope", data[:, 3:] / DEG, 1_568_492_160_270, "deg/s")
    subjects = {"classyglass_D1_User1", "classyglass_D1_User24", "classyglass_D2_User1"}
    name = "classyglass_1A_User1_10_2019-09-14T16.16.00.093"
    return Truth(3, subjects, name, 100.0, "head", data, ["running"], [(0.0, 2.0)])


def geotec(folder: Path) -> Truth:
    data = wave(100)
    labels = ["SEATED"] * 40 + ["STANDING_UP"] * 60
    raw = np.concatenate([data[:, :3] * G, data[:, 3:]], axis=1)
    head = "x_acc,y_acc,z_acc,x_gyro,y_gyro,z_gyro,timestamp,label"
    for subject, device in (("s01", "sp"), ("s01", "sw"), ("s02", "sw")):
        rows = [f"{row},{1657533977813 + 10 * i},{labels[i]}" for i, row in enumerate(csv(raw))]
        lines(folder / subject / f"{subject}_01_{device}.csv", rows, head)
    name, want = "geotec_s01_01_sw", ["SEATED", "STANDING_UP"]
    return Truth(3, {"geotec_s01", "geotec_s02"}, name, 100.0, "wrist", data, want, [(0.0, 0.4), (0.4, 1.0)])


def umafall(folder: Path, ending: str = "") -> Truth:
    data, phone = wave(60), wave(300, 3, seed=1)
    head = [
        "% Universidad de Malaga",
        "",
        "% MAC Address; Sensor_ID; Position; Device Model",
        "%f8:95:c7:f3:ba:82; 0; RIGHTPOCKET; lge-LG-H815-5.1",
        "%C4:BE:84:70:0E:80; 3; WRIST; SensorTag",
        "",
        "% TimeStamp; Sample No; X-Axis; Y-Axis; Z-Axis; Sensor Type; Sensor ID;",
    ]
    rows = [f"{100 + 5 * i};{i + 1};{row};0;0{ending}" for i, row in enumerate(csv(phone, ";"))]
    rows += [f"{200 + 50 * i};{i + 1};{row};0;3{ending}" for i, row in enumerate(csv(data[:, :3], ";"))]
    rows += [f"{200 + 50 * i};{i + 1};{row};1;3{ending}" for i, row in enumerate(csv(data[:, 3:] / DEG, ";"))]
    for kind, when in (("ADL_Walking_1", "2017-04-14_23-25-52"), ("ADL_Walking_1", "2017-04-14_23-26-33")):
        lines(folder / f"UMAFall_Subject_01_{kind}_{when}.csv", head + rows)
    name = "umafall_01_ADL_Walking_1_2017-04-14_23-25-52_wrist"
    return Truth(4, {"umafall_01"}, name, 20.0, "wrist", data, ["ADL_Walking"], [(0.0, 3.0)])


def uci_har(folder: Path) -> Truth:
    data = wave(256)
    root = folder / "UCI HAR Dataset"
    windows = [data[0:128], data[64:192], data[128:256], wave(128, seed=5)]
    for split, picked, subject in (("train", windows, 1), ("test", windows[:1], 2)):
        for c, signal in enumerate(f"{kind}_{axis}" for kind in ("total_acc", "body_gyro") for axis in "xyz"):
            rows = ["  " + "  ".join(f"{v: .7e}" for v in w[:, c]) for w in picked]
            lines(root / split / "Inertial Signals" / f"{signal}_{split}.txt", rows)
        lines(root / split / f"y_{split}.txt", ["5"] * len(picked))
        lines(root / split / f"subject_{split}.txt", [str(subject)] * len(picked))
    subjects = {"uci_har_01", "uci_har_02"}
    return Truth(3, subjects, "uci_har_train_00000", 50.0, "waist", data, ["standing"], [(0.0, 5.12)])


def wisdm(folder: Path) -> Truth:
    data = wave(80)
    root = folder / "wisdm-dataset/raw"
    times = [252207666810782 + 50_000_000 * i for i in range(80)]
    for subject, device in ((1600, "phone"), (1600, "watch"), (1601, "phone")):
        for sensor, values in (("accel", data[:, :3] * G), ("gyro", data[:, 3:])):
            rows = [f"{subject},{'A' if i < 40 else 'M'},{times[i]},{row}" for i, row in enumerate(csv(values))]
            lines(root / device / sensor / f"data_{subject}_{sensor}_{device}.txt", rows, end=";\n")
    subjects = {"wisdm_1600", "wisdm_1601"}
    return Truth(6, subjects, "wisdm_1600_watch_A", 20.0, "wrist", data[:40], ["walking"], [(0.0, 2.0)])


def wisdm_v1(folder: Path) -> Truth:
    data = wave(60, 3)
    times = [49105962326000 + 50_000_000 * i for i in range(60)]
    rows = []
    for user in (1, 33):
        for label in ("Jogging", "Walking"):
            rows += [f"{user},{label},{times[i]},{row}" for i, row in enumerate(csv(data * G))]
    lines(folder / "WISDM_ar_v1.1" / "WISDM_ar_v1.1_raw.txt", rows, end=";\n")
    subjects, name = {"wisdm_v1_01", "wisdm_v1_33"}, "wisdm_v1_33_Walking_1"
    return Truth(4, subjects, name, 20.0, "pocket", data, ["Walking"], [(0.0, 3.0)])


def hhar(folder: Path) -> Truth:
    data = wave(100)
    head = "Index,Arrival_Time,Creation_Time,x,y,z,User,Model,Device,gt"
    root = folder / "Activity recognition exp"
    for kind, model in (("Phones", "nexus4"), ("Watch", "gear")):
        period = {"nexus4": 5, "gear": 10}[model]
        for sensor, values in (("accelerometer", data[:, :3] * G), ("gyroscope", data[:, 3:])):
            rows = []
            for i, row in enumerate(csv(values)):
                gt = "null" if i < 50 else "walk"
                for user in "ab":  # the publisher's rows of different devices are interleaved, too
                    arrival, creation = 1424696633908 + period * i, 1424696631913248572 + period * 1_000_000 * i
                    rows.append(f"{i},{arrival},{creation},{row},{user},{model},{model}_1,{gt}")
            lines(root / f"{kind}_{sensor}.csv", rows, head)
    return Truth(4, {"hhar_a", "hhar_b"}, "hhar_b_nexus4_1", 200.0, "waist", data, ["walk"], [(0.25, 0.5)])


def motionsense(folder: Path) -> Truth:
    data = wave(90)
    gravity = np.tile([0.0, 0.0, 1.0], (90, 1))
    raw = np.concatenate([np.zeros((90, 3)), gravity, data[:, 3:], data[:, :3] - gravity], axis=1)
    names = [f"attitude.{a}" for a in ("roll", "pitch", "yaw")]
    names += [f"{s}.{a}" for s in ("gravity", "rotationRate", "userAcceleration") for a in "xyz"]
    for trial, subject in (("dws_1", 1), ("jog_9", 1), ("jog_9", 24)):
        rows = [f"{i},{row}" for i, row in enumerate(csv(raw))]
        lines(folder / "A_DeviceMotion_data" / trial / f"sub_{subject}.csv", rows, "," + ",".join(names))
    subjects = {"motionsense_01", "motionsense_24"}
    return Truth(3, subjects, "motionsense_24_jog_9", 50.0, "pocket", data, ["jogging"], [(0.0, 1.8)])


def realworld_table(data: np.ndarray, late_ms: int = 0) -> str:
    rows = [f"{i + 1},{1435996968198 + late_ms + 20 * i},{row}" for i, row in enumerate(csv(data))]
    return "\n".join(["id,attr_time,attr_x,attr_y,attr_z", *rows]) + "\n"


def realworld_har(folder: Path) -> Truth:
    data = wave(150)
    acc, gyr = realworld_table(data[:, :3] * G), realworld_table(data[:, 3:])
    place = folder / "proband1" / "data"
    place.mkdir(parents=True)
    with zipfile.ZipFile(place / "acc_walking_csv.zip", "w") as archive:
        archive.writestr("acc_walking_chest.csv", acc)
        archive.writestr("acc_walking_head.csv", acc)
        archive.writestr("readMe", "about")
    with zipfile.ZipFile(place / "gyr_walking_csv.zip", "w") as archive:
        archive.writestr("Gyroscope_walking_chest.csv", gyr)
        archive.writestr("Gyroscope_walking_head.csv", gyr)
    light = "id,attr_time,attr_light\n" + "".join(f"{i},{1435996968198 + 20 * i},{i}.5\n" for i in range(150))
    for kind, member, table in (
        ("mag", "MagneticField", realworld_table(data[:, :3] * 50, late_ms=40)),
        ("lig", "Light", light),
    ):
        with zipfile.ZipFile(place / f"{kind}_walking_csv.zip", "w") as archive:
            archive.writestr(f"{member}_walking_chest.csv", table)
    name = "realworld_har_proband1_walking_chest"
    return Truth(2, {"realworld_har_01"}, name, 50.0, "chest", data, ["walking"], [(0.0, 3.0)])


# --- head cameras and glasses -----------------------------------------------------------------------------------


EXO_HEAD = "capture_timestamp_ns,accel_valid,accel_x,accel_y,accel_z,gyro_valid,gyro_x,gyro_y,gyro_z"


def exo_rows(data: np.ndarray, start_ns: int = 40_000_000_000, valid: str = "True") -> list[str]:
    rows = zip(csv(data[:, :3] * G), csv(data[:, 3:]), strict=True)
    return [f"{start_ns + 1_000_000 * i},{valid},{acc},{valid},{gyr}" for i, (acc, gyr) in enumerate(rows)]


def exo_take(name: str, uid: str, person: int | None, duration_s: float, task: str = "") -> dict[str, object]:
    about = {"take_uid": uid, "take_name": name, "root_dir": f"takes/{name}", "participant_uid": person}
    return {**about, "duration_sec": duration_s, "parent_task_name": task, "task_name": ""}


def exo_pass(annotator: str, *told: tuple[float | None, str], rejected: bool = False) -> dict[str, object]:
    rest = {"subject": "C", "ego_visible": True, "unsure": False}
    described = [{"timestamp": at, "text": text, **rest} for at, text in told]
    return {"annotator_id": annotator, "rejected": rejected, "descriptions": described}


def ego_exo4d(folder: Path) -> Truth:
    data = wave(300)
    takes = [exo_take("cmu_bike01_2", "t1", 657, 0.3), exo_take("upenn_0714_Dance_1_2", "t2", 12, 0.3)]
    (folder / "annotations").mkdir()
    (folder / "takes.json").write_text(json.dumps([*takes, exo_take("unc_soccer_1", "t3", 3, 9.0)]))
    passes = {"t1": [exo_pass("51", (0.1, "C holds a wheel."), (0.2, "C turns.")), exo_pass("52", (0.1, "C sits."))]}
    described = folder / "annotations" / "atomic_descriptions_train.json"
    described.write_text(json.dumps({"annotations": passes}))
    for take in takes:
        lines(folder / str(take["root_dir"]) / "imu_1202-1.csv", exo_rows(data), EXO_HEAD)
    subjects, spans = {"ego_exo4d_657", "ego_exo4d_12"}, [(0.0, 0.3)]
    return Truth(2, subjects, "ego_exo4d_cmu_bike01_2", 1000.0, "head", data, ["bike repair"], spans)


EGO4D_HEAD = "component_idx,component_timestamp_ms,canonical_timestamp_ms,gyro_x,gyro_y,gyro_z,accl_x,accl_y,accl_z"


def ego4d_rows(data: np.ndarray, start_ms: float = 0.0, step_ms: float = 5.0) -> list[str]:
    rows = zip(csv(data[:, 3:]), csv(data[:, :3] * G), strict=True)
    return [f"0,{step_ms * i},{start_ms + step_ms * i},{gyr},{acc}" for i, (gyr, acc) in enumerate(rows)]


def ego4d_video(uid: str, person: int | None, scenario: str, duration_s: float = 2.0) -> dict[str, object]:
    about = {"video_uid": uid, "duration_sec": duration_s, "scenarios": [scenario], "has_imu": True}
    return {**about, "fb_participant_id": person}


def ego4d_told(*told: tuple[float, str]) -> dict[str, object]:
    return {"narrations": [{"timestamp_sec": at, "narration_text": text} for at, text in told], "summaries": []}


def ego4d(folder: Path) -> Truth:
    data = wave(400)
    root = folder / "v2"
    (root / "annotations").mkdir(parents=True)
    videos = [ego4d_video("aa-1", 7, "Eating"), ego4d_video("bb-2", 9, "Talking to colleagues")]
    (folder / "ego4d.json").write_text(json.dumps({"version": "2", "videos": videos}))
    told = {"aa-1": {"status": "complete", "narration_pass_1": ego4d_told((0.5, "#C C eats"), (1.0, "#O A man sits"))}}
    (root / "annotations" / "narration.json").write_text(json.dumps(told))
    for uid in ("aa-1", "bb-2"):
        lines(root / "imu" / f"{uid}.csv", ego4d_rows(data), EGO4D_HEAD)
    return Truth(2, {"ego4d_7", "ego4d_9"}, "ego4d_aa-1", 200.0, "head", data, ["eating"], [(0.0, 2.0)])


# --- several units on the body ----------------------------------------------------------------------------------


def pamap2_rows(data: np.ndarray, activity: np.ndarray) -> np.ndarray:
    """54 columns; the chest carries the samples halved, the ankle nothing."""
    rows = np.full((len(data), 54), np.nan)
    rows[:, 0], rows[:, 1] = 8.38 + np.arange(len(data)) / 100, activity
    rows[::11, 2] = 104
    for first, scale in ((3, 1.0), (20, 0.5)):
        rows[:, first] = 30.0
        rows[:, first + 1 : first + 4] = data[:, :3] * G * scale
        rows[:, first + 4 : first + 7] = 99.0  # the ±6 g accelerometer, not to be read
        rows[:, first + 7 : first + 10] = data[:, 3:] * scale
        rows[:, first + 10 : first + 13] = data[:, :3] * 50 * scale
    return rows


def pamap2(folder: Path) -> Truth:
    data = wave(120)
    rows = pamap2_rows(data, np.repeat([0, 4, 5], 40))
    for part, subject in (("Protocol", 101), ("Protocol", 102), ("Optional", 101)):
        text = [line.replace("nan", "NaN") for line in csv(rows, " ")]
        lines(folder / "PAMAP2_Dataset" / part / f"subject{subject}.dat", text)
    name, spans = "pamap2_101_protocol_wrist", [(0.4, 0.8), (0.8, 1.2)]
    return Truth(6, {"pamap2_101", "pamap2_102"}, name, 100.0, "wrist", data, ["walking", "running"], spans)


def opportunity_rows(data: np.ndarray) -> np.ndarray:
    """250 columns; back unit and hip accelerometer carry samples, the rest is NaN."""
    rows = np.full((len(data), 250), np.nan)
    rows[:, 0] = np.round(np.arange(len(data)) * 1000 / 30)
    rows[:, 37:40], rows[:, 40:43] = np.round(data[:, :3] * 1000), np.round(data[:, 3:] * 1000)
    rows[:, 4:7] = np.round(data[:, :3] * 1000)
    rows[:, 243:250] = 0
    half = len(data) // 2
    rows[:half, 243], rows[half:, 243] = 1, 5
    rows[half:, 249] = 406516
    return rows


def opportunity(folder: Path) -> Truth:
    data = np.round(wave(60), 3)
    for run in ("S1-ADL1", "S2-ADL4", "S1-Drill"):
        text = [line.replace("nan", "NaN") for line in csv(opportunity_rows(data), " ")]
        lines(folder / "OpportunityUCIDataset" / "dataset" / f"{run}.dat", text)
    spans = [(0.0, 1.0), (1.0, 2.0)]
    subjects = {"opportunity_S1", "opportunity_S2"}
    return Truth(6, subjects, "opportunity_S1-ADL1_back", 30.0, "back", data, ["stand", "lie"], spans)


# --- laboratories -----------------------------------------------------------------------------------------------


def utd_mhad(folder: Path) -> Truth:
    data = wave(160)
    raw = np.concatenate([data[:, :3], data[:, 3:] / DEG], axis=1)
    (folder / "Inertial").mkdir(parents=True)
    (folder / "Skeleton").mkdir()
    for name in ("a1_s1_t1", "a22_s2_t4"):
        savemat(folder / "Inertial" / f"{name}_inertial.mat", {"d_iner": raw})
    joints = np.arange(20 * 3 * 48, dtype=float).reshape(20, 3, 48)
    savemat(folder / "Skeleton" / "a1_s1_t1_skeleton.mat", {"d_skel": joints})
    return Truth(
        2, {"utd_mhad_1", "utd_mhad_2"}, "utd_mhad_a22_s2_t4", 50.0, "thigh", data, ["jogging in place"], [(0.0, 3.2)]
    )


def stress_predict(folder: Path) -> Truth:
    counts = np.round(wave(32 * 6, 3, seed=2) * 64)
    start = 1644226061
    for who in ("S01", "S02"):
        place = folder / "Raw_data" / who
        head = [", ".join([f"{start}.000000"] * 3), ", ".join(["32.000000"] * 3)]
        lines(place / "ACC.csv", head + [",".join(f"{v:.0f}" for v in row) for row in counts])
        lines(place / "BVP.csv", [str(start), "64"] + ["0.5"] * 384)
        lines(place / f"tags_{who}.csv", [str(start + 3)])
    rows = [f"{i},2,{100 + i},12.5,{start + 1 + i},{int(i >= 3)}" for i in range(5)]
    lines(
        folder / "Processed_data/Improved_All_Combined_hr_rsp_binary.csv", rows, ",Participant,HR,respr,Time(sec),Label"
    )
    subjects, spans = {"stress_predict_S01", "stress_predict_S02"}, [(1.0, 4.0), (4.0, 6.0)]
    return Truth(2, subjects, "stress_predict_S02", 32.0, "wrist", counts / 64, ["baseline", "stress"], spans)


def voisard(folder: Path, lost: int | None = None) -> Truth:
    """Walks of 400 rows; ``lost`` leaves out packets from that row on."""
    data = wave(400)
    raw = np.concatenate([data[:, :3] * G, data[:, 3:], np.zeros((400, 3))], axis=1)
    names = [f"{s}_{a}" for s in ("Acc", "Gyr", "Mag") for a in "XYZ"]
    head = "Acquisition frequency: 100 Hz\n" + "\t".join(["PacketCounter", *names])
    counter = [float(i + (10 if lost is not None and i >= lost else 0)) for i in range(400)]
    about = {"Age": 75, "Gender": "M", "Height": 163.0, "TrialBoundaries": [50, 350], "UTurnBoundaries": [180, 220]}
    about |= {"LeftFootEvents": [[60, 90], [130, 160], [260, 290]], "RightFootEvents": [[95, 125], [165, 195]]}
    for sensor in ("lb", "lf", "rf"):
        rows = [f"{counter[i]}\t{row}" for i, row in enumerate(csv(raw, "\t"))]
        lines(folder / "GaitData" / f"3-1_{sensor}.txt", rows, head)
    (folder / "GaitData" / "3-1.json").write_text(json.dumps(about))
    labels = ["standing", "walking", "turning", "walking", "standing"]
    spans = [(0.0, 0.5), (0.5, 1.8), (1.8, 2.2), (2.2, 3.5), (3.5, 4.0)]
    return Truth(3, {"voisard_03"}, "voisard_3-1_lower_back", 100.0, "lower_back", data, labels, spans)


def oxford_step(folder: Path) -> Truth:
    data = wave(400, 3)
    for walk in ("Samsung_Dario_Hard_InHand_1", "Pixel_Jamie_Carpet_Purse_2"):
        place = folder / "optimisation" / "data" / walk
        rows = [f"{581782687396706 + 5_000_000 * i},3,{row}" for i, row in enumerate(csv(data * G))]
        lines(place / "accelerometer.csv", rows)
        switches = [(1, 0), (0, 0), (0, 1), (1, 1), (0, 0), (1, 0), (1, 1)]
        steps = [f"{581782687396706 + 100_000_000 * i},{a},{b}" for i, (a, b) in enumerate(switches)]
        lines(place / "stepcounter.csv", steps)
    subjects, labels = {"oxford_step_Dario", "oxford_step_Jamie"}, ["foot2", "foot1", "foot1", "foot2"]
    spans = [(0.2, 0.3), (0.3, 0.4), (0.5, 0.6), (0.6, 0.7)]
    name = "oxford_step_Samsung_Dario_Hard_InHand_1"
    return Truth(2, subjects, name, 200.0, "hand", data, labels, spans)


def mobgap_lab(folder: Path) -> Truth:
    data = wave(1000)
    bout = {"Start": 2.0, "End": 6.0, "WalkingSpeed": 1.25, "AverageStrideLength": 1.4, "Cadence": 107.0}
    bout |= {"InitialContact_Event": np.array([2.0, 2.6, np.nan])}
    bout |= {"InitialContact_LeftRight": np.array(["Left", "Right", "Left"], dtype=object)}
    empty = {"Start": np.zeros((0, 0)), "End": np.zeros((0, 0))}
    back = {"Acc": data[:, :3], "Gyr": data[:, 3:] / DEG, "Fs": {"Acc": 100, "Gyr": 100}}
    trial = {"StartDateTime": "2020-12-10T13:57:44.733+01:00", "SU": {"LowerBack": back}}
    trial |= {"Standards": {"INDIP": {"MicroWB": bout}, "Stereophoto": {"MicroWB": empty}}}
    for person in ("001", "002"):
        place = folder / "HA" / person
        place.mkdir(parents=True)
        savemat(place / "data.mat", {"data": {"TimeMeasure1": {"Test5": {"Trial1": trial}}}})
        savemat(place / "infoForAlgo.mat", {"infoForAlgo": {"TimeMeasure1": {"Height": 159, "Handedness": "R"}}})
    subjects = {"mobgap_lab_HA_001", "mobgap_lab_HA_002"}
    name = "mobgap_lab_HA_001_TimeMeasure1_Test5_Trial1"
    return Truth(2, subjects, name, 100.0, "lower_back", data, ["walking"], [(2.0, 6.0)])


# --- vehicles ---------------------------------------------------------------------------------------------------


def mod_node(folder: Path, audio: np.ndarray, seismic: np.ndarray, start: float | None, file: str) -> None:
    """One node of one run; a time of day beside the seismic samples where ``start`` is given."""
    lines(folder / file, [f"{v:.1f},0.0" for v in audio])
    beside = "" if start is None else " {:.2f}"
    lines(folder / "ehz.csv", [f"{v:.2f}" + beside.format((start or 0) + i / 100) for i, v in enumerate(seismic)])


def mod(folder: Path) -> Truth:
    rng = np.random.default_rng(3)
    audio, seismic = np.round(rng.normal(0, 300, 16000), 1), np.round(rng.normal(16000, 400, 100), 2)
    mod_node(folder / "Polaris0150pm" / "rs1", audio, seismic, 1641495300.0, "aud16000.csv")
    mod_node(folder / "bicycle" / "rs1", audio, seismic, None, "aud.csv")
    mod_node(folder / "bicycle" / "rs2", audio, seismic, None, "aud.csv")
    subjects, name = {"mod_Polaris0150pm", "mod_bicycle"}, "mod_Polaris0150pm_rs1"
    data, units = audio[:, None], ("device units",)
    return Truth(3, subjects, name, 16000.0, "rs1", data, ["Polaris"], [(0.0, 1.0)], 1e-2, units)


ACIDS_TABLE = """\
Gv1a1002.mat,Type 1,15,Desert,25
Gv1a2002.mat,Type 1,15,Desert,50
Gv4c1044.mat,Type 4,>30,Normal,5"""


def acids(folder: Path) -> Truth:
    rng = np.random.default_rng(4)
    audio, seismic = (rng.integers(-3000, 3000, (c, 520)).astype(np.int16) for c in (3, 2))
    for place in ("Acoustics", "Seismic"):
        (folder / place).mkdir(parents=True)
    for name in ("Gv1a1002", "Gv1a2002", "Gv4c1044"):
        savemat(folder / "Acoustics" / f"{name}.mat", {"Output_data": audio})
        savemat(folder / "Seismic" / f"{name[:3]}s{name[3:]}.mat", {"Output_data": seismic})
    (folder / "ACIDS_meta.csv").write_text(ACIDS_TABLE)
    subjects, rate, units = {"acids_v1a_002", "acids_v4c_044"}, 40000 / 39, ("device units",) * 3
    spans = [(0.0, 500 / rate)]
    return Truth(3, subjects, "acids_Gv1a2002", rate, "array2", audio[:, :500].T, ["vehicle 1"], spans, 1e-4, units)


LAYOUTS: dict[str, Callable[[Path], Truth]] = {
    f.__name__: f
    for f in (
        classyglass,
        geotec,
        umafall,
        uci_har,
        utd_mhad,
        stress_predict,
        voisard,
        oxford_step,
        mobgap_lab,
        wisdm,
        wisdm_v1,
        pamap2,
        opportunity,
        hhar,
        motionsense,
        realworld_har,
        ego_exo4d,
        ego4d,
        mod,
        acids,
    )
}
"""Every set but seglearn, whose recordings come with a package."""
