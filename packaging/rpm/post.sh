# Enables and starts nothing: what the configuration says is for its owner to put into force.
if [ -x /usr/bin/systemd-tmpfiles ]; then
    systemd-tmpfiles --create mptcp-apply.conf || :
fi
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload || :
fi
