#!/usr/bin/env python3
"""Sends pictures under faults, and checks that nothing is lost, doubled or mixed up.

    tests/soak.py --program target/release/aecodec --seconds 3600 [--seed 1]

In each round, three senders send new pictures to one receiver. Two of the senders share a key. Meanwhile, by chance, a
process is killed, the receiver is replaced by another with the same folder on another port, a second receiver is started
on the same folder, the clock of a process jumps by days, the address of a sender changes, packets are lost, or the disk
of the receiver is full for a while. After each round, every picture must be in the receiver's folder once, byte for byte.
At the end, calm rounds check that memory and file handles of the receiver stay flat.

Clocks need libfaketime, and full disks the right to mount; without them, these faults are left out, and a line says so.
It needs Python's standard library alone.
"""

import argparse
import glob
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

# A sender that has not delivered after this long, in seconds, hangs.
PATIENCE = 180


class Relay(threading.Thread):
    """Passes packets between senders and the receiver. It can lose some, and give senders another address."""

    def __init__(self, chance):
        super().__init__(daemon=True)
        self.front = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.front.bind(("127.0.0.1", 0))
        self.port = self.front.getsockname()[1]
        self.target = None
        self.loss = 0.0
        self.chance = chance
        self.lock = threading.Lock()
        self.backs = {}

    def run(self):
        while True:
            data, client = self.front.recvfrom(65536)
            with self.lock:
                back = self.backs.get(client)
                if back is None:
                    back = self.backs[client] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                    back.bind(("127.0.0.1", 0))
                    threading.Thread(target=self.answers, args=(back, client), daemon=True).start()
                target = self.target
            if target and self.chance.random() >= self.loss:
                try:
                    back.sendto(data, ("127.0.0.1", target))
                except OSError:
                    pass

    def answers(self, back, client):
        while True:
            try:
                data = back.recv(65536)
            except ConnectionRefusedError:
                continue
            except OSError:
                return
            if self.chance.random() >= self.loss:
                self.front.sendto(data, client)

    def new_addresses(self):
        with self.lock:
            for back in self.backs.values():
                # The thread of this socket ends when the socket is shut.
                try:
                    back.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
                back.close()
            self.backs.clear()


class Soak:
    def __init__(self, program, folder, chance):
        self.program = str(Path(program).resolve())
        self.folder = folder
        self.chance = chance
        self.relay = Relay(random.Random(chance.random()))
        self.relay.start()
        self.inbox = folder / "disk" / "inbox"
        self.clocks = {name: folder / f"clock-{name}" for name in ("receiver", "a", "b", "c")}
        for clock in self.clocks.values():
            clock.write_text("+0\n")
        found = glob.glob("/usr/lib/*/faketime/libfaketime.so.1")
        self.faketime = found[0] if found else None
        self.mounted = self.mount()
        self.receiver = None
        self.ticket = None
        self.expected = {}
        self.counts = {}

    def mount(self):
        disk = self.folder / "disk"
        disk.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={256 << 20}", "tmpfs", disk], capture_output=True)
        return done.returncode == 0

    def env(self, name):
        env = dict(os.environ, RUST_BACKTRACE="1")
        env.pop("AECODEC_TICKET", None)
        if self.faketime:
            env.update(
                LD_PRELOAD=self.faketime,
                FAKETIME_TIMESTAMP_FILE=str(self.clocks[name]),
                FAKETIME_NO_CACHE="1",
                FAKETIME_DONT_FAKE_MONOTONIC="1",
            )
        return env

    def count(self, fault):
        self.counts[fault] = self.counts.get(fault, 0) + 1

    def start_receiver(self):
        """Starts a receiver on a new port. The senders reach it by the relay, whose address is in the ticket."""
        command = [self.program, "receive", "--json", "--out", str(self.inbox), "--reusable", "--no-decode"]
        command += ["--listen", "127.0.0.1:0", "--advertise", f"127.0.0.1:{self.relay.port}"]
        log = open(self.folder / "receiver.log", "ab")
        self.receiver = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env=self.env("receiver"))
        line = self.receiver.stdout.readline()
        if not line:
            raise AssertionError(f"the receiver does not start: {(self.folder / 'receiver.log').read_text()[-2000:]}")
        first = json.loads(line)
        assert first["event"] == "listening", first
        threading.Thread(target=self.receiver.stdout.read, daemon=True).start()
        self.ticket = self.ticket or first["ticket"]
        port = self.port_of(self.receiver.pid)
        with self.relay.lock:
            self.relay.target = port

    @staticmethod
    def port_of(pid):
        """The UDP port on which a process listens."""
        sockets = set()
        for handle in Path(f"/proc/{pid}/fd").iterdir():
            try:
                sockets.add(os.readlink(handle))
            except OSError:
                pass
        for line in Path("/proc/net/udp").read_text().splitlines()[1:]:
            fields = line.split()
            if f"socket:[{fields[9]}]" in sockets:
                return int(fields[1].split(":")[1], 16)
        raise AssertionError("the receiver listens on no UDP port")

    def send(self, name, folder):
        command = [self.program, "send", "--json", "--state", str(self.folder / f"state-{name}"), "--to", self.ticket]
        command += ["--patience", str(PATIENCE), str(folder)]
        log = open(self.folder / f"sender-{name}.log", "ab")
        return subprocess.Popen(command, stdout=log, stderr=log, env=self.env(name))

    def pictures(self, number, name):
        """Makes new .aec files for a sender, and remembers what they must be at the receiver."""
        raw = self.folder / "raw"
        out = self.folder / f"round-{name}"
        for folder in (raw, out):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
        for i in range(self.chance.randint(2, 5)):
            width, height = self.chance.choice([(40, 30), (90, 120), (300, 260)])
            samples = self.chance.randbytes(3 * width * height)
            (raw / f"{name}-{number}-{i}.ppm").write_bytes(b"P6 %d %d 255\n" % (width, height) + samples)
        subprocess.run(
            [self.program, "compress", str(raw), "-o", str(out), "--quality", "60"], check=True, capture_output=True
        )
        for path in out.glob("*.aec"):
            self.expected[path.name] = path.read_bytes()
        return out

    def fault(self, senders, folders):
        """One fault, by chance."""
        kind = self.chance.choice(
            ["kill sender", "kill receiver", "replace receiver", "second receiver", "address", "loss", "clock", "disk", "none"]
        )
        if kind == "kill sender":
            name = self.chance.choice(list(senders))
            senders[name].kill()
            senders[name].wait()
            senders[name] = self.send(name, folders[name])
        elif kind in ("kill receiver", "replace receiver"):
            self.receiver.send_signal(signal.SIGKILL if kind == "kill receiver" else signal.SIGTERM)
            self.receiver.wait()
            time.sleep(self.chance.choice([0, 0.5, 2]))
            self.start_receiver()
        elif kind == "second receiver":
            command = [self.program, "receive", "--json", "--out", str(self.inbox), "--listen", "127.0.0.1:0"]
            second = subprocess.run(command, capture_output=True, timeout=60, env=self.env("receiver"))
            assert second.returncode != 0, "a second receiver works on the same folder"
            assert self.receiver.poll() is None, "the first receiver ended"
        elif kind == "address":
            self.relay.new_addresses()
        elif kind == "loss":
            self.relay.loss = self.chance.choice([0.0, 0.02, 0.2])
        elif kind == "clock":
            if not self.faketime:
                return
            name = self.chance.choice(list(self.clocks))
            self.clocks[name].write_text(self.chance.choice(["+0", "+400d", "-30d", "+3600", "-10"]) + "\n")
        elif kind == "disk":
            if not self.mounted:
                return
            disk = self.folder / "disk"
            free = shutil.disk_usage(disk).free
            with open(disk / "ballast", "wb") as ballast:
                os.posix_fallocate(ballast.fileno(), 0, max(free - (1 << 20), 4096))
            time.sleep(self.chance.choice([0.5, 2]))
            (disk / "ballast").unlink()
        self.count(kind)

    def round(self, number, faults):
        folders = {name: self.pictures(number, name) for name in ("a", "b", "c")}
        senders = {name: self.send(name, folder) for name, folder in folders.items()}
        for _ in range(faults):
            time.sleep(self.chance.random())
            self.fault(senders, folders)
        self.relay.loss = min(self.relay.loss, 0.02)
        end = time.monotonic() + PATIENCE
        for name, sender in senders.items():
            status = sender.wait(max(end - time.monotonic(), 1))
            log = (self.folder / f"sender-{name}.log").read_text()[-2000:]
            assert status == 0, f"sender {name} ended with {status} in round {number}\n{log}"
        self.check(number)

    def check(self, number):
        found = {path.relative_to(self.inbox).as_posix(): path for path in self.inbox.rglob("*.aec")}
        found = {name: path for name, path in found.items() if not name.startswith(".aecodec/")}
        lost = sorted(set(self.expected) - set(found))
        more = sorted(set(found) - set(self.expected))
        assert not lost, f"round {number}: lost {lost}"
        assert not more, f"round {number}: nobody sent {more}"
        wrong = [name for name, path in found.items() if path.read_bytes() != self.expected[name]]
        assert not wrong, f"round {number}: mixed up {wrong}"

    def use(self):
        """Memory in MiB and open files of the receiver."""
        status = Path(f"/proc/{self.receiver.pid}/status").read_text()
        resident = int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024
        return resident, len(list(Path(f"/proc/{self.receiver.pid}/fd").iterdir()))

    def run(self, seconds):
        # Two senders with one key.
        self.start_receiver()
        self.round(0, 0)
        shutil.copy(self.folder / "state-a" / "key", self.folder / "state-c" / "key")
        print(f"clocks: {'libfaketime' if self.faketime else 'LEFT OUT'}; disk: {'tmpfs' if self.mounted else 'LEFT OUT'}")
        start, number, shown = time.monotonic(), 0, time.monotonic()
        while time.monotonic() - start < seconds * 0.8:
            number += 1
            self.round(number, self.chance.randint(0, 5))
            if time.monotonic() - shown > 60:
                shown = time.monotonic()
                print(f"{shown - start:6.0f} s: {number} rounds, {len(self.expected)} pictures", flush=True)
        faults = ", ".join(f"{count} {kind}" for kind, count in sorted(self.counts.items()))
        print(f"{number} rounds, {len(self.expected)} pictures, each once and whole; faults: {faults}")
        self.calm(number, start + seconds)

    def calm(self, number, end):
        self.relay.loss = 0.0
        for _ in range(3):
            number += 1
            self.round(number, 0)
        time.sleep(1)
        before, most = self.use(), (0.0, 0)
        rounds = 0
        while time.monotonic() < end or rounds < 3:
            number, rounds = number + 1, rounds + 1
            self.round(number, 0)
            time.sleep(1)
            most = tuple(map(max, most, self.use()))
        print(f"{rounds} calm rounds: {before[0]:.1f} -> {most[0]:.1f} MiB, {before[1]} -> {most[1]} open files")
        assert most[0] < before[0] + 16, "the receiver's memory grows"
        # Connections that have just ended may still be open.
        assert most[1] <= before[1] + 6, "the receiver's open files grow"

    def stop(self):
        if self.receiver and self.receiver.poll() is None:
            self.receiver.kill()
            self.receiver.wait()
        if self.mounted:
            subprocess.run(["umount", "-l", self.folder / "disk"], capture_output=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True, help="the program aecodec")
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="aecodec-soak-") as folder:
        soak = Soak(arguments.program, Path(folder), random.Random(arguments.seed))
        try:
            soak.run(arguments.seconds)
        except AssertionError as error:
            print(f"FAILED with --seed {arguments.seed}: {error}", file=sys.stderr)
            return 1
        finally:
            soak.stop()
    return 0


sys.exit(main())
