# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# bash completion for efa-emu(1)

_efa_emu_hosts() {
  [ -r "${EFA_EMU_HOSTFILE:-}" ] && cut -d' ' -f1 "$EFA_EMU_HOSTFILE"
}

_efa_emu_run() {
  local options="--hosts --devices-per-host --generation --topology --loss --reorder --duplicate
    --delay --jitter --bandwidth --seed --timeout --rnr-at --limit --mode --stats --stats=text --stats=json
    --stats-file --copy-threads --strict --help --"
  case $3 in
    --generation) COMPREPLY=($(compgen -W "efa0 efa1 efa2 efa3 efa4" -- "$2")) ;;
    --mode) COMPREPLY=($(compgen -W "auto one-trap path" -- "$2")) ;;
    --copy-threads) COMPREPLY=($(compgen -W "1 2" -- "$2")) ;;
    --topology | --stats-file) COMPREPLY=($(compgen -f -- "$2")) ;;
    --hosts | --devices-per-host | --loss | --reorder | --duplicate | --delay | --jitter | \
      --bandwidth | --seed | --timeout | --rnr-at | --limit) COMPREPLY=() ;;
    *) COMPREPLY=($(compgen -W "$options" -- "$2")) ;;
  esac
}

_efa_emu_serve() {
  local options="--dir --hosts --devices-per-host --generation --topology --doorbells --api-version
    --loss --reorder --duplicate --delay --jitter --bandwidth --seed --timeout --rnr-at --limit --stats
    --stats=text --stats=json --stats-file --strict --help"
  case $3 in
    --dir) COMPREPLY=($(compgen -d -- "$2")) ;;
    --generation) COMPREPLY=($(compgen -W "efa0 efa1 efa2 efa3 efa4" -- "$2")) ;;
    --doorbells) COMPREPLY=($(compgen -W "trapped mapped" -- "$2")) ;;
    --api-version) COMPREPLY=($(compgen -W "0.1 0.2 0.3" -- "$2")) ;;
    --topology | --stats-file) COMPREPLY=($(compgen -f -- "$2")) ;;
    --hosts | --devices-per-host | --loss | --reorder | --duplicate | --delay | --jitter | \
      --bandwidth | --seed | --timeout | --rnr-at | --limit) COMPREPLY=() ;;
    *) COMPREPLY=($(compgen -W "$options" -- "$2")) ;;
  esac
}

_efa_emu() {
  local i
  for ((i = 2; i < COMP_CWORD; i++)); do
    if [ "${COMP_WORDS[i]}" = -- ] && declare -F _command_offset >/dev/null; then
      _command_offset $((i + 1))
      return
    fi
  done
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "run serve on rsh generations --help --version" -- "$2"))
    return
  fi
  case ${COMP_WORDS[1]} in
    run) _efa_emu_run "$@" ;;
    serve) _efa_emu_serve "$@" ;;
    on | rsh)
      if [ "$COMP_CWORD" -eq 2 ]; then
        COMPREPLY=($(compgen -W "$(_efa_emu_hosts)" -- "$2"))
      elif declare -F _command_offset >/dev/null; then
        _command_offset 3
      fi
      ;;
  esac
}
complete -F _efa_emu efa-emu
