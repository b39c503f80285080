"""A real Synapse, the reference homeserver, on loopback addresses with TLS: what it says to Belfry and makes of its answers
is the proof that both speak the same language.

    synapse = Synapse(authority).start()
    zoe = synapse.user()              a Client, as for a Belfry server
    synapse.server_name               127.0.0.1:PORT, for federation
"""
import json
import os
import signal
import subprocess
import sys

from . import accounts
from .client import Http, seconds
from .server import free_port, new_folder, wait_until

RATE = {"per_second": 10000, "burst_count": 10000}


class Synapse:
    secret = "synapse-shared-secret"

    def __init__(self, authority, server_name=None, **more):
        """server_name: another port of 127.0.0.1, which leads to it; `more` goes into its configuration."""
        self.root = new_folder("synapse-")
        self.port, self.federation_port = free_port(), free_port()
        self.url = "http://127.0.0.1:%d" % self.port
        self.server_name = server_name or "127.0.0.1:%d" % self.federation_port
        self.environment = {}  # variables of the process besides ours
        self.log_path = os.path.join(self.root, "synapse.log")
        self.process = None
        certificate, key = authority.certificate("127.0.0.1")
        names = [{"names": ["client", "federation"], "compress": False}]
        self.config = {
            "server_name": self.server_name, "report_stats": False, "signing_key_path": self._path("signing.key"),
            "pid_file": self._path("pid"), "media_store_path": self._path("media"), "log_config": self._path("log.json"),
            "listeners": [{"port": self.port, "type": "http", "bind_addresses": ["127.0.0.1"], "resources": names},
                          {"port": self.federation_port, "type": "http", "tls": True, "bind_addresses": ["127.0.0.1"],
                           "resources": names}],
            "tls_certificate_path": certificate, "tls_private_key_path": key,
            "federation_custom_ca_list": [authority.ca_file], "ip_range_blacklist": [],
            "federation_ip_range_blacklist": [], "trusted_key_servers": [], "suppress_key_server_warning": True,
            "database": {"name": "sqlite3", "args": {"database": self._path("db.sqlite")}},
            "registration_shared_secret": self.secret, "enable_registration": True,
            "enable_registration_without_verification": True, "bcrypt_rounds": 4, "allow_public_rooms_over_federation": True,
            "caches": {"sync_response_cache_duration": "0s"},
            "macaroon_secret_key": "x" * 32, "form_secret": "y" * 32,
            # A partner that was away is asked again soon.
            "federation": {"destination_min_retry_interval": "1s", "destination_max_retry_interval": "2s"},
            "rc_federation": {"concurrent": 100, "sleep_limit": 10000, "reject_limit": 10000},
            **{name: RATE for name in ("rc_message", "rc_registration", "rc_admin_redaction")},
            "rc_login": {"address": RATE, "account": RATE, "failed_attempts": RATE},
            "rc_joins": {"local": RATE, "remote": RATE}, "rc_joins_per_room": RATE,
            "rc_invites": {"per_room": RATE, "per_user": RATE, "per_issuer": RATE},
            **more,
        }
        with open(self._path("log.json"), "w", encoding="utf-8") as file:
            json.dump({"version": 1, "disable_existing_loggers": False,
                       "formatters": {"f": {"format": "%(asctime)s %(name)s %(levelname)s %(message)s"}},
                       "handlers": {"h": {"class": "logging.FileHandler", "filename": self.log_path, "formatter": "f"}},
                       "root": {"level": "INFO", "handlers": ["h"]}}, file)
        with open(self._path("config.yaml"), "w", encoding="utf-8") as file:
            json.dump(self.config, file)
        self._run("--generate-keys").wait()

    def _path(self, name):
        return os.path.join(self.root, name)

    def _run(self, *more):
        with open(self._path("out.log"), "ab") as log:
            return subprocess.Popen([sys.executable, "-m", "synapse.app.homeserver", "-c", self._path("config.yaml"), *more],
                                    stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, cwd=self.root,
                                    start_new_session=True, env={**os.environ, **self.environment})

    def start(self, limit=90):
        self.launch()
        return self.wait_ready(limit)

    def launch(self):
        """Starts without waiting."""
        self.process = self._run()
        return self

    def wait_ready(self, limit=90):

        def ready():
            assert self.process.poll() is None, "Synapse ended:\n" + self.log()[-3000:]
            try:
                return Http(self.url).raw("GET", "/health", timeout=seconds(2)).status == 200
            except OSError:
                return False
        wait_until(ready, limit, "Synapse ready")
        return self

    def log(self):
        text = ""
        for path in (self._path("out.log"), self.log_path):
            if os.path.exists(path):
                with open(path, encoding="utf-8", errors="replace") as file:
                    text += file.read()
        return text

    def terminate(self, limit=20):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(seconds(limit))
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def kill(self):
        """SIGKILL."""
        self.process.kill()
        self.process.wait()

    def destroy(self):
        import shutil
        self.terminate()
        if not os.environ.get("BELFRY_TEST_KEEP"):
            shutil.rmtree(self.root, ignore_errors=True)

    def user(self, name=None, **more):
        """A fresh user."""
        http = Http(self.url)
        http.check_schema = False  # its departures are its own
        return accounts.register(http, name, **more)
