if [ -d /run/systemd/system ]; then
    systemctl daemon-reload || :
    # On an upgrade, a watch that runs goes on with the new program. When it ends it leaves all endpoints where they are,
    # and when it starts again it finds them as declared, so that connections notice nothing.
    if [ "$1" -ge 1 ]; then
        systemctl try-restart mptcp-apply-watch.service 'mptcp-apply-watch@*.service' || :
    fi
fi
