#!/usr/bin/env bash
# Makes a tree that has one of everything, or spoils it.
#
# usage: everything.sh make|spoil TREE
#
# Without root, it leaves out what only root can make or read: devices,
# capabilities, the attributes trusted.* and security.*, owners, and files that
# their owner cannot read.
#
# Folders whose paths are longer than 4,096 bytes are below TREE/long.
set -eu
export LC_ALL=C
umask 022
[ "$(id -u)" = 0 ] && root=1 || root=

repeat() { printf "%0$2d" 0 | sed "s/0/$1/g"; }

# Enters nested folders until the path has more than $1 bytes.
descend() {
  local name bytes=0
  name=$(repeat d 200)
  while [ "$bytes" -le "$1" ]; do
    [ -d "$name" ] || mkdir "$name"
    cd -P "./$name" 2>/dev/null || return 1
    bytes=$((bytes + 201))
  done
}

make() {
  mkdir -p "$1"
  cd "$1"

  mkdir attributes
  for name in file empty acl folder; do
    case $name in
      folder) mkdir attributes/folder ;;
      *) echo "$name" >"attributes/$name" ;;
    esac
  done
  setfattr -n user.text -v "a=b" attributes/file
  setfattr -n user.bytes -v 0x00ff0a3d10 attributes/file
  setfattr -n "user.odd=name%" -v "1" attributes/file
  setfattr -n "$(printf 'user.\303\251')" -v "1" attributes/file
  setfattr -n user.empty attributes/empty
  setfattr -n user.large -v "$(repeat x 3000)" attributes/empty
  setfattr -n user.folder -v "1" attributes/folder
  setfacl -m u:12345:rw,g:1:r,m::r attributes/acl
  setfacl -m u:12:rx attributes/folder
  setfacl -d -m u:7:rwx,g::r,o::- attributes/folder
  echo inherits >attributes/folder/inherits
  echo plain >attributes/folder/plain
  setfacl -b attributes/folder/plain
  if [ "$root" ]; then
    for name in file folder; do
      setfattr -n trusted.one -v 0x01ff "attributes/$name"
      setfattr -n security.one -v "label" "attributes/$name"
    done
    cp /bin/true attributes/capable
    chown 4242:4343 attributes/capable
    setcap cap_net_raw,cap_net_bind_service+ep attributes/capable
    chmod 4755 attributes/capable
    echo all >attributes/all
    setfacl -m u:0:rwx attributes/all
    setfattr -n user.all -v 1 attributes/all
    setfattr -n trusted.all -v 1 attributes/all
    setcap cap_chown+p attributes/all
  fi

  mkdir special
  mkfifo special/pipe
  chmod 620 special/pipe
  if [ "$root" ]; then
    mknod special/block b 7 300
    mknod special/character c 1 3
    mknod special/large c 511 1048575
    chmod 4711 special/block
    chown 12:34 special/character
    setfattr -n trusted.pipe -v 1 special/pipe
    setfacl -m u:5:rw special/pipe
    setfattr -n trusted.device -v 1 special/character
  fi

  mkdir links links/sub
  echo linked >links/first
  setfattr -n user.linked -v 1 links/first
  ln links/first links/second
  ln links/first links/sub/third
  ln -s nowhere links/dangling
  ln -s ../attributes links/folder
  ln -s "$(repeat t 4000)" links/long
  ln -s "$(printf ' \n-\\\033*')" links/odd
  ln -s / links/top
  [ "$root" ] && setfattr -h -n trusted.link -v 1 links/dangling
  [ "$root" ] && chown -h 77:88 links/odd
  ln special/pipe links/pipe
  [ "$root" ] && ln special/block links/block

  mkdir holes
  truncate -s 64M holes/only
  truncate -s 5000001 holes/end
  printf data | dd of=holes/end bs=1 seek=4999990 conv=notrunc status=none
  seq 400000 >holes/middle
  truncate -s 20M holes/middle
  printf data | dd of=holes/middle bs=1 seek=15000000 conv=notrunc status=none
  truncate -s 300000 holes/small
  seq 300000 >holes/none
  setfattr -n user.hole -v 1 holes/middle

  mkdir times times/folder
  for time in 1901-12-14T00:00:00.000000001 1969-12-31T23:59:59.999999999 \
    1970-01-01T00:00:00 2038-01-20T00:00:00.123456789 \
    2107-07-07T07:07:07.700000007 2400-01-01T00:00:00.5; do
    echo "$time" >"times/$time"
    touch -d "${time}Z" "times/$time"
  done
  ln -s nowhere times/link
  mkfifo times/pipe
  touch -h -d 1950-01-01T00:00:00.25Z times/link times/pipe

  mkdir modes modes/sticky modes/setgid modes/closed modes/full
  for mode in 0644 0400 4755 2755 6711 1644 7777 ${root:+0200 0111 0000}; do
    echo "$mode" >"modes/$mode"
    chmod "$mode" "modes/$mode"
  done
  echo inside >modes/closed/inside
  echo inside >modes/setgid/inside
  chmod 1777 modes/sticky
  chmod 2775 modes/setgid
  chmod 555 modes/closed
  chmod 7777 modes/full
  if [ "$root" ]; then
    mkdir modes/none
    echo inside >modes/none/inside
    chmod 0 modes/none
    mkdir owners
    echo unnamed >owners/unnamed
    chown 4000000000:4100000000 owners/unnamed
    echo named >owners/named
    chown 1:2 owners/named
    mkdir owners/folder
    chown 54321:12345 owners/folder
  fi

  mkdir -p empty/empty/empty

  mkdir names
  # Each ASCII character except / and NUL, alone and between others.
  for code in $(seq 1 127); do
    octal=$(printf '\\%03o' "$code")
    name=$(printf "x${octal}x")
    case $code in
      47) continue ;;
      46) ;;
      10) echo "$code" >"names/"$'\n' ;;
      *) echo "$code" >"names/$(printf "$octal")" ;;
    esac
    echo "$code" >"names/$name"
  done
  for name in -rf -- --delete "$(repeat n 255)" ... "..x" " leading" \
    "trailing " "trailing." "CON" "nul.txt" "a:b" "Case" "case" \
    $'caf\303\251' $'cafe\314\201' $'\360\237\230\200' $'\357\277\256' \
    $'\356\200\200' $'\357\277\275' $'\342\200\256x' '%00' '%2F' '\n' \
    '.deltarignore x'; do
    echo "$name" >"names/$name"
  done
  mkdir -- "names/-folder" "names/"$'new\nline'
  echo inside >"names/"$'new\nline/in\nside'
  # The longest possible name of two-byte characters.
  echo 255 >"names/$(repeat $'\303\251' 127)x"
  mkdir names/bytes
  for code in $(seq 1 255); do
    [ "$code" = 47 ] && continue
    name=$(printf "b\\$(printf '%03o' "$code")e")
    echo "$code" >"names/bytes/$name"
  done
  mkdir names/bytes/$'\377folder'
  echo inside >names/bytes/$'\377folder/\200'
  ln -s $'\376\377' names/bytes/$'link\376'
  ln names/bytes/$'\377folder/\200' names/bytes/$'linked\200'
  mkfifo names/bytes/$'pipe\201'
  # The bytes of a surrogate, and of an overlong encoding of a slash.
  echo 1 >names/bytes/$'\355\240\200'
  echo 2 >names/bytes/$'\300\257'
  setfattr -n user.bytes -v 1 names/bytes/$'\300\257'

  mkdir long
  (
    cd long
    descend 4800
    echo deep >file
    setfattr -n user.deep -v 1 file
    ln file hard
    ln -s file link
    mkfifo pipe
    mkdir folder
    truncate -s 2M holes
    touch -d 1960-06-06T06:06:06.6Z file
    chmod 640 file
    touch -d 2001-01-01T00:00:00.1Z folder
  )

  setfattr -n user.top -v 1 .
  touch -d 1999-09-09T09:09:09.999999999Z times/folder long empty/empty .
}

# Changes, replaces, deletes and adds an item of each kind.
spoil() {
  cd "$1"

  setfattr -x user.text attributes/file
  setfattr -n user.bytes -v other attributes/file
  setfattr -n user.new -v 1 attributes/file
  setfattr -x user.empty attributes/empty
  setfacl -b attributes/acl
  setfacl -k attributes/folder
  setfacl -m u:99:rwx attributes/folder attributes/folder/plain
  if [ "$root" ]; then
    setfattr -n trusted.one -v 2 attributes/file
    setfattr -x security.one attributes/folder
    setcap -r attributes/capable
    chown 0:0 attributes/all
  fi

  rm special/pipe
  echo "a file now" >special/pipe
  if [ "$root" ]; then
    rm special/block special/character
    mknod special/block b 7 301
    mkfifo special/character
    mknod special/new c 1 5
    chmod 600 special/large
  fi

  rm links/second
  cp -a links/first links/second
  echo more >>links/first
  ln links/first links/fourth
  ln -sfn elsewhere links/dangling
  rm links/folder links/long
  mkdir links/folder
  echo inside >links/folder/inside
  mkfifo links/long

  rm holes/only
  truncate -s 32M holes/only
  printf more | dd of=holes/only bs=1 seek=20000000 conv=notrunc status=none
  rm holes/end
  seq 700000 | head -c 5000001 >holes/end
  truncate -s 4M holes/none
  printf more | dd of=holes/middle bs=1 seek=18000000 conv=notrunc status=none

  touch -h -d 1930-03-03T03:03:03.3Z times/link times/folder times/1970*
  touch -d 2222-02-02T02:02:02.000000002Z times/2107*

  chmod 600 modes/4755
  chmod 4711 modes/0644
  chmod 700 modes/sticky
  rm -rf modes/full
  echo "a file now" >modes/full
  chmod 755 modes/closed
  echo new >modes/closed/new
  chmod 500 modes/closed
  if [ "$root" ]; then
    rm -f modes/0000
    chmod 711 modes/none
    chown 5:6 owners/unnamed owners/folder
  fi

  rmdir empty/empty/empty
  echo "no longer empty" >empty/file

  rm -f -- "names/-rf" "names/Case"
  mv -- "names/--delete" "names/--moved"
  rm -r "names/"$'new\nline'
  echo "a file now" >"names/"$'new\nline'
  echo more >>"names/$(repeat n 255)"
  echo new >"names/$(repeat m 255)"
  rm -r names/bytes/$'\377folder'
  echo more >>names/bytes/$'\300\257'
  echo new >names/bytes/$'new\377'

  [ "$(ls long)" = "" ] || (
    cd long
    descend 4800
    echo more >>file
    rm link pipe
    mkdir pipe
    echo new >pipe/new
    setfattr -n user.deep -v 2 hard
    printf more | dd of=holes bs=1 seek=1500000 conv=notrunc status=none
  )

  setfattr -x user.top .
  touch -d 2010-10-10T10:10:10.1Z .
}

case $1 in
  make) make "$2" ;;
  spoil) spoil "$2" ;;
esac
