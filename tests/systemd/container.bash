# To be sourced: a container with a systemd of its own, for scripts that `unshare --mount` has started.

# boot_container NSPAWN-OPTIONS...: boots it, and sets `leader` to the number of its first process. It has a network, a
# view of processes and control groups of its own, and ends with the script, however that ends.
boot_container() {
    # The unified control groups alone, whatever this host has; systemd needs none of the controllers.
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
    group=$(mktemp -d /sys/fs/cgroup/mptcp-apply-test.XXXXXX)
    trap end_container EXIT
    (
        echo "$BASHPID" >"$group/cgroup.procs"
        SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 exec systemd-nspawn --quiet --boot \
            --private-network --register=no --keep-unit --resolv-conf=off --timezone=off --link-journal=no \
            "$@" -- systemd.unit=multi-user.target
    ) </dev/null >&2 &
    local container=$!
    until leader=$(first_process 2>/dev/null) && [[ -n $leader ]]; do
        kill -0 "$container"
        sleep 0.02
    done
}

# The container does not end with the process that made it.
end_container() {
    echo 1 >"$group/cgroup.kill"
    # Without what bash has to say of that.
    wait 2>/dev/null
    for _ in {1..100}; do
        ! find "$group" -depth -type d -exec rmdir {} + 2>/dev/null || break
        sleep 0.05
    done
}

# The one that is number 1 in there.
first_process() {
    local process
    while read -r process; do
        [[ $(sed -n 's/^NSpid:.*\t//p' "/proc/$process/status") != 1 ]] || echo "$process"
    done <"$group/payload/init.scope/cgroup.procs"
}
