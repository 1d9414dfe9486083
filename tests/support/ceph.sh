# Runs a Ceph cluster of one monitor, manager, store and S3 gateway until its
# standard input ends, and leaves nothing behind.
#
# usage: bash ceph.sh FOLDER MONITOR_PORT GATEWAY_PORT ACCESS_KEY SECRET_KEY
set -eu
folder=$1 monitor=$2 gateway=$3 access=$4 secret=$5
daemons=()
finish() {
  [ ${#daemons[@]} -eq 0 ] || kill -9 "${daemons[@]}" 2>/dev/null || true
  wait 2>/dev/null || true
  rm -rf "$folder"
}
trap finish EXIT
trap 'exit 1' HUP INT TERM

cluster=$(cat /proc/sys/kernel/random/uuid)
store=$(cat /proc/sys/kernel/random/uuid)
mkdir "$folder"/{monitor,manager,store,gateway}
cat > "$folder/ceph.conf" <<END
[global]
fsid = $cluster
mon host = v2:127.0.0.1:$monitor
mon initial members = a
public addr = 127.0.0.1
ms bind ipv6 = false
ms bind msgr1 = false
ms mon client mode = crc
auth cluster required = none
auth service required = none
auth client required = none
run dir = $folder
crash dir = $folder
log file = $folder/\$name.log
admin socket = $folder/\$name.asok
mon data = $folder/monitor
mgr data = $folder/manager
osd data = $folder/store
rgw data = $folder/gateway
# A disk with little space is sufficient for some minutes.
mon data avail warn = 0
mon data avail crit = 0
mon allow pool size one = true
mon max pg per osd = 1000
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
osd objectstore = bluestore
bluestore block size = 34359738368
bluestore cache size = 134217728
paxos propose interval = 0.05
paxos min wait = 0.02
rgw frontends = beast endpoint=127.0.0.1:$gateway
rgw dns name = s3.example
END
ceph() { command ceph -c "$folder/ceph.conf" "$@"; }
start() {
  "$1" -c "$folder/ceph.conf" -f "${@:2}" </dev/null &
  daemons+=($!)
}
monmaptool --create --fsid "$cluster" --addv a "[v2:127.0.0.1:$monitor]" \
  "$folder/monmap"
ceph-mon -c "$folder/ceph.conf" --mkfs -i a --monmap "$folder/monmap"
start ceph-mon -i a
ceph osd new "$store"
ceph-osd -c "$folder/ceph.conf" -i 0 --mkfs --osd-uuid "$store"
start ceph-osd -i 0
start ceph-mgr -i x
radosgw-admin -c "$folder/ceph.conf" user create --uid tester \
  --display-name tester --access-key "$access" --secret-key "$secret"
# The second user has only the rights that the policy of a bucket grants.
radosgw-admin -c "$folder/ceph.conf" user create --uid other \
  --display-name other --access-key "$access-other" --secret-key "$secret"
start radosgw -n client.admin
for _ in {1..600}; do
  if (exec 3<>"/dev/tcp/127.0.0.1/$gateway") 2>/dev/null; then
    echo "the gateway is ready"
    cat >/dev/null
    exit 0
  fi
  sleep 0.1
done
exit 1
