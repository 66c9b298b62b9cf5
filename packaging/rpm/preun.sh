# A program that is gone is not to be restarted. The endpoints of a watch stay when it is stopped.
if [ "$1" -eq 0 ] && [ -d /run/systemd/system ]; then
    systemctl stop mptcp-apply.service mptcp-apply-watch.service 'mptcp-apply-watch@*.service' || :
    systemctl --no-reload disable mptcp-apply.service mptcp-apply-watch.service || :
fi
