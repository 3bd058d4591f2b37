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
[Environment]::SetEnvironmentVariable('SECRET_FILE', ('' + $rc_home + '/builds/tok123/2/group/project.tmp/SECRET_FILE'))
[Environment]::SetEnvironmentVariable('CI_SERVER', 'yes')
[Environment]::SetEnvironmentVariable('GIT_STRATEGY', 'none')
[Environment]::SetEnvironmentVariable('CI_CONCURRENT_ID', '2')
[Environment]::SetEnvironmentVariable('CI_JOB_TIMEOUT', '3600')
[Environment]::SetEnvironmentVariable('CI_BUILDS_DIR', ('' + $rc_home + '/builds'))
[Environment]::SetEnvironmentVariable('CI_JOB_STATUS', 'running')
[Environment]::SetEnvironmentVariable('CI_RUNNER_VERSION', '0.1.0')
[Environment]::SetEnvironmentVariable('CI_CONCURRENT_PROJECT_ID', '2')
[Environment]::SetEnvironmentVariable('CI_SHARED_ENVIRONMENT', 'true')
[Environment]::SetEnvironmentVariable('CI_RUNNER_REVISION', 'abcdef12')
[Environment]::SetEnvironmentVariable('CI_RUNNER_SHORT_TOKEN', 'tok123')
[Environment]::SetEnvironmentVariable('CI_RUNNER_EXECUTABLE_ARCH', 'linux/amd64')
[Environment]::SetEnvironmentVariable('CI_PROJECT_DIR', ('' + $rc_home + '/builds/tok123/2/group/project'))
[Environment]::SetEnvironmentVariable('RUNNER_TEMP_PROJECT_DIR', ('' + $rc_home + '/builds/tok123/2/group/project.tmp'))
[Environment]::SetEnvironmentVariable('GREETING', 'it''s “quoted” ‘‘so’’ $HOME `n "x"
second line')
[Environment]::SetEnvironmentVariable('GITLAB_ENV', ('' + $rc_home + '/builds/tok123/2/group/project.tmp/gitlab_runner_env'))
try {
Remove-Item -LiteralPath ('' + $rc_home + '/builds/tok123/2/group/project.tmp') -Recurse -Force -ErrorAction Ignore
New-Item -ItemType Directory -Force -Path ('' + $rc_home + '/builds/tok123/2/group/project'), ('' + $rc_home + '/builds/tok123/2/group/project.tmp') | Out-Null
if (-not $IsWindows) { chmod 700 ('' + $rc_home + '/builds/tok123/2/group/project.tmp') }
[IO.File]::WriteAllText(('' + $rc_home + '/builds/tok123/2/group/project.tmp/SECRET_FILE'), 'content of it''s “quoted” ‘‘so’’ $HOME `n "x"
second line')
} catch { [Console]::Out.WriteLine($_); $rc_status = 1 }
if ($rc_status -eq 0) {
rc_mark "host $([Environment]::MachineName) $rc_home", "begin get_sources $(rc_time)"
}
if ($rc_status -eq 0) {
rc_mark "begin step_script $(rc_time)"
[IO.File]::WriteAllText(('' + $rc_home + '/builds/tok123/2/group/project.tmp/rc_step.ps1'), 'param([string] $rc_home)
$ErrorActionPreference = ''Stop''
foreach ($rc_n in @(''SECRET_FILE'', ''CI_SERVER'', ''GIT_STRATEGY'', ''CI_CONCURRENT_ID'', ''CI_JOB_TIMEOUT'', ''CI_BUILDS_DIR'', ''CI_JOB_STATUS'', ''CI_RUNNER_VERSION'', ''CI_CONCURRENT_PROJECT_ID'', ''CI_SHARED_ENVIRONMENT'', ''CI_RUNNER_REVISION'', ''CI_RUNNER_SHORT_TOKEN'', ''CI_RUNNER_EXECUTABLE_ARCH'', ''CI_PROJECT_DIR'', ''RUNNER_TEMP_PROJECT_DIR'', ''GREETING'', ''GITLAB_ENV'')) { try { Set-Variable -Scope Global -Name $rc_n -Value ([Environment]::GetEnvironmentVariable($rc_n)) -ErrorAction Stop } catch { } }
try { Set-Variable -Scope Global -Name HUGE -Value ''x…'' -ErrorAction Stop } catch { }
Remove-Variable -Name @(''rc_n'', ''rc_l'', ''rc_home'') -ErrorAction Ignore
[Console]::Out.WriteLine(''[32;1m$ Write-Output "hi $GREETING"[0;m'')
Write-Output "hi $GREETING"
if (!$?) { exit $(if ($LASTEXITCODE) { $LASTEXITCODE } else { 1 }) }
[Console]::Out.WriteLine(''[32;1m$ if ($true) { # collapsed multi-line command[0;m'')
if ($true) {
  exit 3
}
if (!$?) { exit $(if ($LASTEXITCODE) { $LASTEXITCODE } else { 1 }) }
')
$rc_status = rc_run ([Environment]::ProcessPath) @('-NoProfile', '-NoLogo', '-NonInteractive', '-ExecutionPolicy', 'Bypass', '-File', ('' + $rc_home + '/builds/tok123/2/group/project.tmp/rc_step.ps1'), $rc_home) ('' + $rc_home + '/builds/tok123/2/group/project') ''
Remove-Item -LiteralPath ('' + $rc_home + '/builds/tok123/2/group/project.tmp/rc_step.ps1') -Force -ErrorAction Ignore
}
rc_mark "end $rc_status $(rc_time)", "unswept"
exit 0
