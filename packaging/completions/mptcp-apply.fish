# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_mptcp_apply_global_optspecs
    string join \n n/dry-run rehearse diff detailed-exitcode wait= strict w/watch resync= netns= format= color= q/quiet v/verbose root-dir= h/help V/version
end

function __fish_mptcp_apply_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_mptcp_apply_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_mptcp_apply_using_subcommand
    set -l cmd (__fish_mptcp_apply_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c mptcp-apply -n "__fish_mptcp_apply_needs_command" -l wait -d 'Wait up to SECS for what is missing' -r -f
complete -c mptcp-apply -n "__fish_mptcp_apply_needs_command" -l resync -d 'With --watch: re-apply every SECS [30]' -r -f
complete -c mptcp-apply -n "__fish_mptcp_apply_needs_command" -l netns -d 'Use this named network namespace' -r -f
complete -c mptcp-apply -n "__fish_mptcp_apply_needs_command" -l format -d 'text, json, yaml (show), openmetrics' -r -f -a "text\t'For people'
json\t'For programs, one document a line'
yaml\t'As a configuration'
openmetrics\t'As metrics for Prometheus'"
complete -c mptcp-apply -n "__fish_mptcp_apply_needs_command" -l color -d 'Use colours; NO_COLOR is honoured' -r -f -a "auto\t'When the output is a terminal'
always\t'Always'
never\t'Never'"
complete -c mptcp-apply -n "__fish_mptcp_apply_needs_command" -l root-dir -d 'Find the standard folders below DIR' -r -f -a "(__fish_complete_directories)"
complete -c mptcp-apply -n "__fish_mptcp_apply_needs_command" -s n -l dry-run -d 'Print the plan and change nothing'
complete -c mptcp-apply -n "__fish_mptcp_apply_needs_command" -l rehearse -d 'Carry out the plan in a copy of this host'
complete -c mptcp-apply -n "__fish_mptcp_apply_needs_command" -l diff -d 'Print a unified diff of YAML too'
complete -c mptcp-apply -n "__fish_mptcp_apply_needs_command" -l detailed-exitcode -d 'Exit with 2 when the plan is not empty'
complete -c mptcp-apply -n "__fish_mptcp_apply_needs_command" -l strict -d 'Treat warnings as errors'
complete -c mptcp-apply -n "__fish_mptcp_apply_needs_command" -s w -l watch -d 'Keep running, and re-apply after changes'
complete -c mptcp-apply -n "__fish_mptcp_apply_needs_command" -s q -l quiet -d 'Print errors only'
complete -c mptcp-apply -n "__fish_mptcp_apply_needs_command" -s v -l verbose -d 'Log each step; -vv: each netlink message'
complete -c mptcp-apply -n "__fish_mptcp_apply_needs_command" -s h -l help -d 'Print this help'
complete -c mptcp-apply -n "__fish_mptcp_apply_needs_command" -s V -l version -d 'Print version'
complete -c mptcp-apply -n "__fish_mptcp_apply_needs_command" -a "check" -d 'Check the files alone; needs no kernel and no privilege'
complete -c mptcp-apply -n "__fish_mptcp_apply_needs_command" -a "status" -d 'Show whether the kernel is as declared, and what endpoints carry'
complete -c mptcp-apply -n "__fish_mptcp_apply_needs_command" -a "show" -d 'Show the kernel\'s current state'
complete -c mptcp-apply -n "__fish_mptcp_apply_needs_command" -a "try" -d 'Apply, and take the change back unless it is confirmed'
complete -c mptcp-apply -n "__fish_mptcp_apply_needs_command" -a "doctor" -d 'Explain why subflows are missing, with remedies'
complete -c mptcp-apply -n "__fish_mptcp_apply_needs_command" -a "monitor" -d 'Print events of connections and subflows'
complete -c mptcp-apply -n "__fish_mptcp_apply_needs_command" -a "connection" -d 'List live connections, or change one by hand'
complete -c mptcp-apply -n "__fish_mptcp_apply_needs_command" -a "renew" -d 'Ask for the subflows of an endpoint again'
complete -c mptcp-apply -n "__fish_mptcp_apply_needs_command" -a "init" -d 'Print a first configuration, made from this host'
complete -c mptcp-apply -n "__fish_mptcp_apply_needs_command" -a "schema" -d 'Print the JSON Schema of the configuration'
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand check" -l format -d 'text, json, yaml (show), openmetrics' -r -f -a "text\t'For people'
json\t'For programs, one document a line'
yaml\t'As a configuration'
openmetrics\t'As metrics for Prometheus'"
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand check" -l color -d 'Use colours; NO_COLOR is honoured' -r -f -a "auto\t'When the output is a terminal'
always\t'Always'
never\t'Never'"
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand check" -l root-dir -d 'Find the standard folders below DIR' -r -f -a "(__fish_complete_directories)"
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand check" -l strict -d 'Treat warnings as errors'
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand check" -s q -l quiet -d 'Print errors only'
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand check" -s v -l verbose -d 'Log each step; -vv: each netlink message'
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand check" -s h -l help -d 'Print this help'
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand status" -l netns -d 'Use this named network namespace' -r -f
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand status" -l format -d 'text, json, yaml (show), openmetrics' -r -f -a "text\t'For people'
json\t'For programs, one document a line'
yaml\t'As a configuration'
openmetrics\t'As metrics for Prometheus'"
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand status" -l color -d 'Use colours; NO_COLOR is honoured' -r -f -a "auto\t'When the output is a terminal'
always\t'Always'
never\t'Never'"
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand status" -l root-dir -d 'Find the standard folders below DIR' -r -f -a "(__fish_complete_directories)"
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand status" -l detailed-exitcode -d 'Exit with 2 when it is not in sync'
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand status" -s q -l quiet -d 'Print errors only'
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand status" -s v -l verbose -d 'Log each step; -vv: each netlink message'
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand status" -s h -l help -d 'Print this help'
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand show" -l id -d 'Show only the endpoint with this id' -r -f
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand show" -l netns -d 'Use this named network namespace' -r -f
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand show" -l format -d 'text, json, yaml (show), openmetrics' -r -f -a "text\t'For people'
json\t'For programs, one document a line'
yaml\t'As a configuration'
openmetrics\t'As metrics for Prometheus'"
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand show" -l color -d 'Use colours; NO_COLOR is honoured' -r -f -a "auto\t'When the output is a terminal'
always\t'Always'
never\t'Never'"
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand show" -l root-dir -d 'Find the standard folders below DIR' -r -f -a "(__fish_complete_directories)"
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand show" -l connections -d 'Show live connections and subflows too'
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand show" -l all -d 'Show sysctls with their default values too'
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand show" -s q -l quiet -d 'Print errors only'
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand show" -s v -l verbose -d 'Log each step; -vv: each netlink message'
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand show" -s h -l help -d 'Print this help'
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand try" -l timeout -d 'Wait SECS for a confirmation [120]' -r -f
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand try" -l confirm-with -d 'Confirm if this shell command succeeds' -r -f -a "(__fish_complete_command)"
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand try" -l format -d 'text, json, yaml (show), openmetrics' -r -f -a "text\t'For people'
json\t'For programs, one document a line'
yaml\t'As a configuration'
openmetrics\t'As metrics for Prometheus'"
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand try" -l color -d 'Use colours; NO_COLOR is honoured' -r -f -a "auto\t'When the output is a terminal'
always\t'Always'
never\t'Never'"
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand try" -l root-dir -d 'Find the standard folders below DIR' -r -f -a "(__fish_complete_directories)"
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand try" -l strict -d 'Treat warnings as errors'
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand try" -s q -l quiet -d 'Print errors only'
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand try" -s v -l verbose -d 'Log each step; -vv: each netlink message'
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand try" -s h -l help -d 'Print this help'
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand doctor" -l probe -d 'Open a test connection, watch its subflows' -r -f
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand doctor" -l format -d 'text, json, yaml (show), openmetrics' -r -f -a "text\t'For people'
json\t'For programs, one document a line'
yaml\t'As a configuration'
openmetrics\t'As metrics for Prometheus'"
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand doctor" -l color -d 'Use colours; NO_COLOR is honoured' -r -f -a "auto\t'When the output is a terminal'
always\t'Always'
never\t'Never'"
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand doctor" -l root-dir -d 'Find the standard folders below DIR' -r -f -a "(__fish_complete_directories)"
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand doctor" -l report -d 'Print everything that a bug report needs'
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand doctor" -s q -l quiet -d 'Print errors only'
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand doctor" -s v -l verbose -d 'Log each step; -vv: each netlink message'
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand doctor" -s h -l help -d 'Print this help'
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand monitor" -l netns -d 'Use this named network namespace' -r -f
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand monitor" -l format -d 'text, json, yaml (show), openmetrics' -r -f -a "text\t'For people'
json\t'For programs, one document a line'
yaml\t'As a configuration'
openmetrics\t'As metrics for Prometheus'"
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand monitor" -l color -d 'Use colours; NO_COLOR is honoured' -r -f -a "auto\t'When the output is a terminal'
always\t'Always'
never\t'Never'"
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand monitor" -l root-dir -d 'Find the standard folders below DIR' -r -f -a "(__fish_complete_directories)"
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand monitor" -s q -l quiet -d 'Print errors only'
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand monitor" -s v -l verbose -d 'Log each step; -vv: each netlink message'
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand monitor" -s h -l help -d 'Print this help'
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand connection" -l netns -d 'Use this named network namespace' -r -f
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand connection" -l format -d 'text, json, yaml (show), openmetrics' -r -f -a "text\t'For people'
json\t'For programs, one document a line'
yaml\t'As a configuration'
openmetrics\t'As metrics for Prometheus'"
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand connection" -l color -d 'Use colours; NO_COLOR is honoured' -r -f -a "auto\t'When the output is a terminal'
always\t'Always'
never\t'Never'"
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand connection" -l root-dir -d 'Find the standard folders below DIR' -r -f -a "(__fish_complete_directories)"
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand connection" -s q -l quiet -d 'Print errors only'
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand connection" -s v -l verbose -d 'Log each step; -vv: each netlink message'
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand connection" -s h -l help -d 'Print this help'
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand renew" -l netns -d 'Use this named network namespace' -r -f
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand renew" -l format -d 'text, json, yaml (show), openmetrics' -r -f -a "text\t'For people'
json\t'For programs, one document a line'
yaml\t'As a configuration'
openmetrics\t'As metrics for Prometheus'"
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand renew" -l color -d 'Use colours; NO_COLOR is honoured' -r -f -a "auto\t'When the output is a terminal'
always\t'Always'
never\t'Never'"
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand renew" -l root-dir -d 'Find the standard folders below DIR' -r -f -a "(__fish_complete_directories)"
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand renew" -s n -l dry-run -d 'Print the plan and change nothing'
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand renew" -l force -d 'Close subflows that may not come back'
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand renew" -s q -l quiet -d 'Print errors only'
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand renew" -s v -l verbose -d 'Log each step; -vv: each netlink message'
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand renew" -s h -l help -d 'Print this help'
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand init" -l netns -d 'Use this named network namespace' -r -f
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand init" -l format -d 'text, json, yaml (show), openmetrics' -r -f -a "text\t'For people'
json\t'For programs, one document a line'
yaml\t'As a configuration'
openmetrics\t'As metrics for Prometheus'"
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand init" -l color -d 'Use colours; NO_COLOR is honoured' -r -f -a "auto\t'When the output is a terminal'
always\t'Always'
never\t'Never'"
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand init" -l root-dir -d 'Find the standard folders below DIR' -r -f -a "(__fish_complete_directories)"
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand init" -l client -d 'This host opens connections'
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand init" -l server -d 'This host accepts connections'
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand init" -s q -l quiet -d 'Print errors only'
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand init" -s v -l verbose -d 'Log each step; -vv: each netlink message'
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand init" -s h -l help -d 'Print this help'
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand schema" -l format -d 'text, json, yaml (show), openmetrics' -r -f -a "text\t'For people'
json\t'For programs, one document a line'
yaml\t'As a configuration'
openmetrics\t'As metrics for Prometheus'"
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand schema" -l color -d 'Use colours; NO_COLOR is honoured' -r -f -a "auto\t'When the output is a terminal'
always\t'Always'
never\t'Never'"
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand schema" -l root-dir -d 'Find the standard folders below DIR' -r -f -a "(__fish_complete_directories)"
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand schema" -s q -l quiet -d 'Print errors only'
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand schema" -s v -l verbose -d 'Log each step; -vv: each netlink message'
complete -c mptcp-apply -n "__fish_mptcp_apply_using_subcommand schema" -s h -l help -d 'Print this help'
