# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # variables of those who source this and of steps.sh
#
# Sourced after steps.sh by the demos: which efa provider libfabric uses. EFA_PROVIDER is ours (the default)
# or upstream, the one inside libfabric. fi_efa-open(7) says how libfabric finds providers.

# build_provider: ours for Debian 12's libfabric 1.17; sets the array `provider`, the environment by which
# programs use the chosen one.
provider=()
build_provider() {
	if [ "$provider_choice" = ours ]; then
		build_tree default "efa_fi efa_fi_alias"
		provider=("FI_PROVIDER_PATH=$build/default/provider/lib")
	else
		# An installed one of ours would be found without the variable.
		mkdir -p "$build/run/no-provider"
		provider=("FI_PROVIDER_PATH=$build/run/no-provider")
	fi
}

# check_provider COMMAND...: fails unless COMMAND, which runs fi_info -p efa, prints the version of the
# chosen one.
check_provider() {
	local answer versions
	answer=$("$@") || stop "fi_info failed: $answer"
	echo "$answer"
	versions=$(sed -n 's/^ *version: //p' <<<"$answer" | sort -u)
	case $provider_choice:$versions in
	ours:*.100 | upstream:*.0) ;;
	*) stop "the provider has version '${versions//$'\n'/ }', which is not that of $provider_words" ;;
	esac
}

provider_choice=${EFA_PROVIDER:-ours}
case $provider_choice in
ours) provider_words="our libfabric provider (EFA_PROVIDER=upstream takes the one inside libfabric)" ;;
upstream) provider_words="the provider inside libfabric" ;;
*) stop "EFA_PROVIDER is '$provider_choice'; set it to ours or upstream" ;;
esac
