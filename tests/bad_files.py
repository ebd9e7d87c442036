"""Files that nobody should have to read: builders for `test_bad_inputs`."""

import io
import json
import pickle
import struct
import zipfile

import h5py
import nir
import numpy as np

SIZE = np.array


def graph(size=4, outputs=3, **fields):
    """Return a one-layer LIF model; ``fields`` replace those of the neurons."""
    one = np.ones(outputs, np.float32)
    lif = {"tau": 0.01 * one, "r": one, "v_leak": 0 * one, "v_threshold": one, "v_reset": 0 * one}
    nodes = {
        "input": nir.Input(input_type={"input": SIZE([size])}),
        "fc": nir.Linear(weight=np.full((outputs, size), 0.5, np.float32)),
        "lif": nir.LIF(**{**lif, **fields}),
        "output": nir.Output(output_type={"output": SIZE([outputs])}),
    }
    edges = [("input", "fc"), ("fc", "lif"), ("lif", "output")]
    return nir.NIRGraph(nodes=nodes, edges=edges)


def write(path, model):
    """Store a model, with the conventions that would otherwise have to be assumed."""
    model.metadata["nm_backends"] = {"dt": 1e-3, "framework": "snntorch", "reset": "zero"}
    nir.write(path, model)
    return path


def model(path, **fields):
    return write(path, graph(**fields))


def edited(path, edit):
    """Store a sound model, then change the HDF5 file by hand."""
    model(path)
    with h5py.File(path, "r+") as file:
        edit(file["node"])
    return path


def replace(group, name, value):
    """Put another data set in the place of one."""
    del group[name]
    group[name] = value


def wide(path, neurons):
    """Store one layer of many neurons, small on disk: all weights are zero."""
    model(path)
    with h5py.File(path, "r+") as file:
        nodes = file["node/nodes"]
        del nodes["fc/weight"]
        options = {"chunks": (min(neurons, 1 << 16), 1), "compression": "gzip", "fillvalue": 0.0}
        nodes.create_dataset("fc/weight", (neurons, 4), "f4", **options)
        for name, value in (("tau", 0.01), ("r", 1.0), ("v_threshold", 1.0)):
            replace(nodes["lif"], name, np.float32(value))
        for name in ("v_leak", "v_reset"):
            replace(nodes["lif"], name, np.float32(0))
        replace(nodes["output"], "shape", SIZE([neurons]))
    return path


def nested_in_itself(path):
    """Store a graph that contains itself (a hard link upwards)."""

    def edit(node):
        inner = node["nodes"].create_group("inner")
        inner["type"] = b"NIRGraph"
        inner["nodes"] = node["nodes"]
        inner["edges"] = node["edges"]

    return edited(path, edit)


def flipped(path, source, share, count=64):
    """Copy a file with ``count`` bytes changed, from ``share`` of its length on."""
    data = bytearray(source.read_bytes())
    at = int(len(data) * share)
    data[at : at + count] = bytes(b ^ 0x5A for b in data[at : at + count])
    path.write_bytes(data)
    return path


def cut(path, source, share=0.6):
    """Copy the beginning of a file."""
    data = source.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def arrays(path, **contents):
    np.savez(path, **contents)
    return path


class Payload:
    """Would say so if anybody unpickled it."""

    def __reduce__(self):
        return print, ("UNPICKLED",)


def pickled(path):
    path.write_bytes(pickle.dumps(Payload()))
    return path


def object_array(path):
    np.savez(path, spikes=np.array([Payload(), None], dtype=object))
    return path


def huge_header(path):
    """Write a .npy of a few bytes that announces 10 TiB."""
    head = b"{'descr': '|u1', 'fortran_order': False, 'shape': (10995116277760, 1), }"
    head += b" " * (-(len(head) + 11) % 64) + b"\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + b"\0" * 64)
    return path


def rezipped(path, source, changes=(), extra=()):
    """Copy a program; ``changes``: member to new content; ``extra``: members to add."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, dict(changes).get(name, old.read(name)))
        for name, data in extra:
            new.writestr(name, data)
    return path


def manifest_with(path, source, **changes):
    with zipfile.ZipFile(source) as old:
        manifest = json.loads(old.read("manifest.json"))
    changed = json.dumps({**manifest, **changes})
    return rezipped(path, source, [("manifest.json", changed)])


def bomb(path):
    """Write a zip of a few kB whose only member unpacks to 1 GB."""
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("manifest.json", "w", force_zip64=True) as member,
    ):
        for _ in range(1024):
            member.write(bytes(1 << 20))
    return path


def npy_bytes(array):
    file = io.BytesIO()
    np.lib.format.write_array(file, array)
    return file.getvalue()


def trace(path, chip="tinyodin", **changes):
    """Write a recording with nothing in it; ``changes`` replace or (None) remove arrays."""
    meta = {"format": "trace", "chip": chip, "case": "x", "driving": "idle"}
    contents = {"meta": SIZE(json.dumps({**meta, "exactness": "transaction", "n_events": 0}))}
    contents |= {"events": np.zeros(0, np.uint32), "neuron_init": np.zeros((256, 4), np.uint8)}
    names = ("SPI_GATE_ACTIVITY", "SPI_OPEN_LOOP", "SPI_AER_SRC_CTRL_nNEUR", "SPI_MAX_NEUR")
    contents |= {name: np.int64(0) for name in names} | changes
    return arrays(path, **{name: value for name, value in contents.items() if value is not None})
