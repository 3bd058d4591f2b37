$ErrorActionPreference = 'Stop'; $ProgressPreference = 'SilentlyContinue'
$rc_home = (Get-Location).ProviderPath; $rc_status = 0; $rc_out = [Console]::OpenStandardOutput()
function rc_mark([string[]] $bodies) {
  $text = -join ($bodies | ForEach-Object { "$([char] 30)NONCE $_$([char] 30)" })
  $bytes = [Text.Encoding]::UTF8.GetBytes($text); $rc_out.Write($bytes, 0, $bytes.Length); $rc_out.Flush()
}
function rc_time { ([Environment]::TickCount64 / 1000).ToString('0.00', [Globalization.CultureInfo]::InvariantCulture) }
function rc_run([string] $program, [string[]] $arguments, [string] $directory, [string] $text) {
  $info = [Diagnostics.ProcessStartInfo]::new($program); $info.UseShellExecute = $false
  $info.RedirectStandardInput = $true; $info.StandardInputEncoding = [Text.UTF8Encoding]::new($false); $info.WorkingDirectory = $directory
  foreach ($argument in $arguments) { $info.ArgumentList.Add($argument) }
  $process = [Diagnostics.Process]::Start($info)
  try { $process.StandardInput.Write($text); $process.StandardInput.Close() } catch [IO.IOException] { }
  $process.WaitForExit(); $process.ExitCode
}
[Environment]::SetEnvironmentVariable('CI_SERVER', 'yes')
[Environment]::SetEnvironmentVariable('CI_CONCURRENT_ID', '2')
[Environment]::SetEnvironmentVariable('CI_JOB_TIMEOUT', '3600')
[Environment]::SetEnvironmentVariable('CI_BUILDS_DIR', ('' + $rc_home + '/builds'))
[Environment]::SetEnvironmentVariable('CI_JOB_STATUS', 'running')
[Environment]::SetEnvironmentVariable('GET_SOURCES_ATTEMPTS', '2')
[Environment]::SetEnvironmentVariable('CI_RUNNER_VERSION', '0.1.0')
[Environment]::SetEnvironmentVariable('CI_CONCURRENT_PROJECT_ID', '2')
[Environment]::SetEnvironmentVariable('CI_SHARED_ENVIRONMENT', 'true')
[Environment]::SetEnvironmentVariable('CI_RUNNER_REVISION', 'abcdef12')
[Environment]::SetEnvironmentVariable('CI_RUNNER_SHORT_TOKEN', 'tok123')
[Environment]::SetEnvironmentVariable('CI_RUNNER_EXECUTABLE_ARCH', 'linux/amd64')
[Environment]::SetEnvironmentVariable('CI_PROJECT_DIR', ('' + $rc_home + '/builds/tok123/2/group/project'))
[Environment]::SetEnvironmentVariable('RUNNER_TEMP_PROJECT_DIR', ('' + $rc_home + '/builds/tok123/2/group/project.tmp'))
[Environment]::SetEnvironmentVariable('GITLAB_ENV', ('' + $rc_home + '/builds/tok123/2/group/project.tmp/gitlab_runner_env'))
try {
Remove-Item -LiteralPath ('' + $rc_home + '/builds/tok123/2/group/project.tmp') -Recurse -Force -ErrorAction Ignore
New-Item -ItemType Directory -Force -Path ('' + $rc_home + '/builds/tok123/2/group/project'), ('' + $rc_home + '/builds/tok123/2/group/project.tmp') | Out-Null
if (-not $IsWindows) { chmod 700 ('' + $rc_home + '/builds/tok123/2/group/project.tmp') }
} catch { [Console]::Out.WriteLine($_); $rc_status = 1 }
if ($rc_status -eq 0) {
rc_mark "host $([Environment]::MachineName) $rc_home", "begin get_sources $(rc_time)"
if (-not (Get-Command git -CommandType Application -ErrorAction Ignore)) { rc_mark "failed git_missing"; $rc_status = 1 } else {
$env:rc_home = $rc_home
$rc_status = rc_run 'git' @('-c', 'alias.run-sources=!sh', 'run-sources') ('' + $rc_home + '/builds/tok123/2/group/project') '{ unset GIT_PREFIX GIT_DIR GIT_WORK_TREE GIT_CONFIG_PARAMETERS GIT_CONFIG_COUNT; exec 2>&1; set -- "$rc_home" 0
cd "$1"''/builds/tok123/2/group/project'' || exit
command -v git >/dev/null || { printf ''\036NONCE failed git_missing\036''; set -- "$1" 1; }
while [ $2 = 0 ]; do
(
unset rc_slot
export CI_SERVER=''yes'' CI_CONCURRENT_ID=''2'' CI_JOB_TIMEOUT=''3600'' CI_BUILDS_DIR="$1"''/builds'' CI_JOB_STATUS=''running'' GET_SOURCES_ATTEMPTS=''2'' CI_RUNNER_VERSION=''0.1.0'' CI_CONCURRENT_PROJECT_ID=''2'' CI_SHARED_ENVIRONMENT=''true'' CI_RUNNER_REVISION=''abcdef12'' CI_RUNNER_SHORT_TOKEN=''tok123'' CI_RUNNER_EXECUTABLE_ARCH=''linux/amd64'' CI_PROJECT_DIR="$1"''/builds/tok123/2/group/project'' RUNNER_TEMP_PROJECT_DIR="$1"''/builds/tok123/2/group/project.tmp'' GITLAB_ENV="$1"''/builds/tok123/2/group/project.tmp/gitlab_runner_env''
export GIT_CONFIG_GLOBAL="$1"''/builds/tok123/2/group/project.tmp/gitconfig'' GIT_CONFIG_SYSTEM=/dev/null GIT_CONFIG_COUNT=2 GIT_CONFIG_KEY_0=core.hooksPath GIT_CONFIG_VALUE_0=/dev/null GIT_CONFIG_KEY_1=core.fsmonitor GIT_CONFIG_VALUE_1=false
set --; set -e
rc_e=
export GIT_TERMINAL_PROMPT=0 GCM_INTERACTIVE=Never GIT_LFS_SKIP_SMUDGE=1 CI_JOB_TOKEN=''job-token-value''
printf ''%s\n'' ''[32;1mFetching changes with git depth set to 20...[0;m''
rc_l=; if [ -f .git/HEAD ]; then IFS= read -r rc_l <.git/HEAD || :; fi
if [ -h .git ] || [ ! -d .git ] || [ ${#rc_l} = 64 ]; then
if [ -e .git ] || [ -h .git ]; then rm -rf .git; fi
if rc_l=$(ls -A) && [ -z "$rc_l" ]; then rc_e=1; fi; printf ''%s\n'' ''[32;1mCreated fresh repository.[0;m''
else
find .git -mindepth 1 -maxdepth 1 ''('' ! -type f ! -type d -o ! -name ''objects'' ! -name ''refs'' ! -name ''packed-refs'' ! -name ''shallow'' ! -name ''HEAD'' ! -name ''index'' ! -name ''sharedindex.*'' ! -name ''lfs'' '')'' -exec rm -rf {} +
if [ -d .git/refs ]; then if [ -e .git/refs/replace ] || [ -h .git/refs/replace ]; then rm -rf .git/refs/replace; fi; find .git/refs ''('' -type f -name ''*.lock'' -o ! -type f ! -type d '')'' -exec rm -f {} +; fi
if [ -f .git/packed-refs ] && grep -q '' refs/replace/'' .git/packed-refs; then rm -f .git/packed-refs; fi
fi; unset rc_l
git init -q --template=
printf ''%s\n'' ''[remote "origin"]
	url = "https://gitlab.invalid/group/project.git"
	fetch = "+refs/heads/*:refs/remotes/origin/*"
[credential "https://gitlab.invalid"]
	helper = ""
	helper = "!f() { test \"$1\" = get && printf ''\''''username=%s\\npassword=%s\\n''\'''' ''\''''gitlab-ci-token''\'''' \"$CI_JOB_TOKEN\"; }; f"'' >>.git/config
rc_u=
git ${rc_e:+-c} ${rc_e:+fetch.unpackLimit=1} ${rc_e:+-c} ${rc_e:+maintenance.auto=false} fetch --no-recurse-submodules --depth 20 $rc_u ''--prune'' ''--quiet'' origin ''+refs/heads/main:refs/remotes/origin/main''
unset rc_u
printf ''%s\n'' ''[32;1mChecking out aaaaaaaa as detached HEAD (ref is main)...[0;m''
git checkout -f -q aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
if [ -z "$rc_e" ]; then
git -c core.quotePath=false ls-files -s | sed -n ''s/^160000 [^	]*	//p'' | { rc_u=; while IFS= read -r rc_l; do
case $rc_l in ''"''*) rc_u=1 ;; *) rm -rf "./$rc_l"; mkdir -p "./$rc_l" ;; esac
done
if [ -n "$rc_u" ]; then find . -mindepth 1 -maxdepth 1 ! -name .git -exec rm -rf {} +; git checkout -f -q aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; fi
}
git clean ''-ffdx''
fi
if git grep -q --cached filter=lfs -- '':(glob)**/.gitattributes''; then
if command -v git-lfs >/dev/null; then
git lfs install --local --skip-repo >/dev/null && git lfs pull
else
printf ''%s\n'' ''[32;1mgit-lfs was not found on the instance: LFS files are left as pointers[0;m''
fi
fi
printf ''%s\n'' ''[32;1mSkipping Git submodules setup[0;m''
unset rc_e
) </dev/null
set -- "$1" $? ${3:-1} ${4:-5}
if [ $2 = 0 ] || [ $3 -ge 2 ]; then break; fi
printf ''\033[32;1mRetrying in %ss\033[0;m\n'' $4; sleep $4; cd "$1" && rm -rf "$1"''/builds/tok123/2/group/project'' && mkdir -p "$1"''/builds/tok123/2/group/project'' && cd "$1"''/builds/tok123/2/group/project'' && set -- "$1" 0 $(($3 + 1)) $(($4 < 150 ? $4 * 2 : 300))
done
if [ $2 = 0 ]; then cd "$1"''/builds/tok123/2/group/project'' || set -- "$1" 1; fi
exit $2
}
'
$env:rc_home = $null
}
}
if ($rc_status -eq 0) {
rc_mark "begin step_script $(rc_time)"
[IO.File]::WriteAllText(('' + $rc_home + '/builds/tok123/2/group/project.tmp/rc_step.ps1'), 'param([string] $rc_home)
$ErrorActionPreference = ''Stop''
foreach ($rc_n in @(''CI_SERVER'', ''CI_CONCURRENT_ID'', ''CI_JOB_TIMEOUT'', ''CI_BUILDS_DIR'', ''CI_JOB_STATUS'', ''GET_SOURCES_ATTEMPTS'', ''CI_RUNNER_VERSION'', ''CI_CONCURRENT_PROJECT_ID'', ''CI_SHARED_ENVIRONMENT'', ''CI_RUNNER_REVISION'', ''CI_RUNNER_SHORT_TOKEN'', ''CI_RUNNER_EXECUTABLE_ARCH'', ''CI_PROJECT_DIR'', ''RUNNER_TEMP_PROJECT_DIR'', ''GITLAB_ENV'')) { try { Set-Variable -Scope Global -Name $rc_n -Value ([Environment]::GetEnvironmentVariable($rc_n)) -ErrorAction Stop } catch { } }
Remove-Variable -Name @(''rc_n'', ''rc_l'', ''rc_home'') -ErrorAction Ignore
[Console]::Out.WriteLine(''[32;1m$ true[0;m'')
true
if (!$?) { exit $(if ($LASTEXITCODE) { $LASTEXITCODE } else { 1 }) }
')
$rc_status = rc_run ([Environment]::ProcessPath) @('-NoProfile', '-NoLogo', '-NonInteractive', '-ExecutionPolicy', 'Bypass', '-File', ('' + $rc_home + '/builds/tok123/2/group/project.tmp/rc_step.ps1'), $rc_home) ('' + $rc_home + '/builds/tok123/2/group/project') ''
Remove-Item -LiteralPath ('' + $rc_home + '/builds/tok123/2/group/project.tmp/rc_step.ps1') -Force -ErrorAction Ignore
}
Remove-Item -LiteralPath ('' + $rc_home + '/builds/tok123/2/group/project.tmp') -Recurse -Force -ErrorAction Ignore
rc_mark "end $rc_status $(rc_time)", "unswept"
exit 0
