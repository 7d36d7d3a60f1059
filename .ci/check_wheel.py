"""Check of the installed wheel: every module is importable, and the sandbox runs as a program."""

import importlib
import os
import pkgutil
import subprocess
import sys

import collibra_tasks

NOT_IMPORTED = {"collibra_tasks.sandbox.__main__"}


def main() -> None:
    """Import all modules, then use the sandbox with the public names."""
    found = pkgutil.walk_packages(collibra_tasks.__path__, "collibra_tasks.")
    modules = [module.name for module in found if module.name not in NOT_IMPORTED]
    for name in modules:
        importlib.import_module(name)
    for name in collibra_tasks.__all__:
        getattr(collibra_tasks, name)
    use_sandbox()
    print(f"The wheel works: {len(modules)} modules, {len(collibra_tasks.__all__)} names.")


def use_sandbox() -> None:
    """Start the sandbox as a program, and read the account through the library."""
    command = [sys.executable, "-I", "-m", "collibra_tasks.sandbox"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as sandbox:  # noqa: S603
        try:
            read_account(sandbox)
        finally:
            sandbox.terminate()


def read_account(sandbox: "subprocess.Popen[str]") -> None:
    """Connect with the variables that the sandbox prints."""
    assert sandbox.stdout is not None
    url = sandbox.stdout.readline().strip()
    assert url.startswith("http://127.0.0.1:"), url
    for line in sandbox.stdout:
        name, _, value = line.strip().partition("=")
        if not name.startswith("COLLIBRA_"):
            break
        os.environ[name] = value
    credentials = collibra_tasks.CollibraCredentials.from_settings()
    with credentials.get_client() as client:
        assert client.get_account() is not None
        assert client.synchronization_exists("nightly") is False


if __name__ == "__main__":
    main()
