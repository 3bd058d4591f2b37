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
[Environment]::SetEnvironmentVariable('GIT_STRATEGY', 'none')
[Environment]::SetEnvironmentVariable('CI_CONCURRENT_ID', '2')
[Environment]::SetEnvironmentVariable('CI_JOB_TIMEOUT', '3600')
[Environment]::SetEnvironmentVariable('CI_DEBUG_TRACE', 'true')
[Environment]::SetEnvironmentVariable('CI_JOB_STATUS', 'failed')
[Environment]::SetEnvironmentVariable('CI_BUILDS_DIR', ('' + $rc_home + '/builds'))
[Environment]::SetEnvironmentVariable('CI_RUNNER_VERSION', '0.1.0')
[Environment]::SetEnvironmentVariable('CI_CONCURRENT_PROJECT_ID', '2')
[Environment]::SetEnvironmentVariable('CI_SHARED_ENVIRONMENT', 'true')
[Environment]::SetEnvironmentVariable('CI_RUNNER_REVISION', 'abcdef12')
[Environment]::SetEnvironmentVariable('CI_RUNNER_SHORT_TOKEN', 'tok123')
[Environment]::SetEnvironmentVariable('CI_RUNNER_EXECUTABLE_ARCH', 'linux/amd64')
[Environment]::SetEnvironmentVariable('CI_PROJECT_DIR', ('' + $rc_home + '/builds/tok123/2/group/project'))
[Environment]::SetEnvironmentVariable('RUNNER_TEMP_PROJECT_DIR', ('' + $rc_home + '/builds/tok123/2/group/project.tmp'))
[Environment]::SetEnvironmentVariable('GITLAB_ENV', ('' + $rc_home + '/builds/tok123/2/group/project.tmp/gitlab_runner_env'))
if ($rc_status -eq 0) {
rc_mark "begin after_script $(rc_time)"
[IO.File]::WriteAllText(('' + $rc_home + '/builds/tok123/2/group/project.tmp/rc_step.ps1'), 'param([string] $rc_home)
$ErrorActionPreference = ''Stop''
foreach ($rc_n in @(''CI_SERVER'', ''GIT_STRATEGY'', ''CI_CONCURRENT_ID'', ''CI_JOB_TIMEOUT'', ''CI_DEBUG_TRACE'', ''CI_JOB_STATUS'', ''CI_BUILDS_DIR'', ''CI_RUNNER_VERSION'', ''CI_CONCURRENT_PROJECT_ID'', ''CI_SHARED_ENVIRONMENT'', ''CI_RUNNER_REVISION'', ''CI_RUNNER_SHORT_TOKEN'', ''CI_RUNNER_EXECUTABLE_ARCH'', ''CI_PROJECT_DIR'', ''RUNNER_TEMP_PROJECT_DIR'', ''GITLAB_ENV'')) { try { Set-Variable -Scope Global -Name $rc_n -Value ([Environment]::GetEnvironmentVariable($rc_n)) -ErrorAction Stop } catch { } }
if (Test-Path -LiteralPath $env:GITLAB_ENV) { foreach ($rc_n in [IO.File]::ReadAllLines($env:GITLAB_ENV)) {
$rc_n, $rc_l = $rc_n -split ''='', 2
if ($rc_n) { [Environment]::SetEnvironmentVariable($rc_n, $rc_l); try { Set-Variable -Scope Global -Name $rc_n -Value $rc_l -ErrorAction Stop } catch { } }
} }
Remove-Variable -Name @(''rc_n'', ''rc_l'', ''rc_home'') -ErrorAction Ignore
Set-PSDebug -Trace 2
[Console]::Out.WriteLine(''[32;1m$ ''''after''''[0;m'')
''after''
if (!$?) { exit $(if ($LASTEXITCODE) { $LASTEXITCODE } else { 1 }) }
')
$rc_status = rc_run ([Environment]::ProcessPath) @('-NoProfile', '-NoLogo', '-NonInteractive', '-ExecutionPolicy', 'Bypass', '-File', ('' + $rc_home + '/builds/tok123/2/group/project.tmp/rc_step.ps1'), $rc_home) ('' + $rc_home + '/builds/tok123/2/group/project') ''
Remove-Item -LiteralPath ('' + $rc_home + '/builds/tok123/2/group/project.tmp/rc_step.ps1') -Force -ErrorAction Ignore
}
Remove-Item -LiteralPath ('' + $rc_home + '/builds/tok123/2/group/project.tmp') -Recurse -Force -ErrorAction Ignore
rc_mark "end $rc_status $(rc_time)", "unswept"
exit 0
