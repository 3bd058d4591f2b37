import type { BuildPaths } from '../build-paths.ts'
import { pwshQuote } from '../script/pwsh-quote.ts'
import { quote } from '../script/quote.ts'
import type { GitSources, GitStrategy } from '../sources/sources-plan.ts'
import { variableFile } from '../variables/job-variables.ts'
import type { ShellVariables } from '../variables/shell-variables.ts'
import { getSources, type JobScriptOptions, type ScriptStage } from './job-script.ts'

export type PwshScriptOptions = Omit<JobScriptOptions, 'shell' | 'jobMarker' | 'scriptSections'>

/**
 * What `jobScript` is for shells, for PowerShell 7: the same stages, the same markers in the output. **Experimental**:
 * no configuration asks for it; it was checked as text, and runs in the tests only where there is a `pwsh`.
 *
 * Each of the job's own scripts runs in a PowerShell of its own, from a file in the job's temporary directory, which
 * holds nothing but their lines and variables that are too large for an environment: `exit` ends that process and gives
 * its status. Variables are environment variables and, as GitLab's runner has it, variables of the script too.
 *
 * Sources are got by the script that other shells run, in the shell that git brings with it on every platform. What is
 * left running is not looked for here: the environment does it.
 */
export function pwshScript(options: PwshScriptOptions): Buffer {
  const { nonce, paths, variables, prepare } = options
  const [project, temporary] = [pwshQuote(paths.projectDir), pwshQuote(paths.temporaryDir)]
  return Buffer.from(
    [
      "$ErrorActionPreference = 'Stop'; $ProgressPreference = 'SilentlyContinue'",
      '$rc_home = (Get-Location).ProviderPath; $rc_status = 0; $rc_out = [Console]::OpenStandardOutput()',
      markFunction(nonce),
      runFunction,
      ...variables.exported.map(
        ({ key, value, file }) =>
          `[Environment]::SetEnvironmentVariable('${key}', ${pwshQuote(file ? variableFile(paths, key) : value)})`,
      ),
      ...(prepare === undefined
        ? []
        : [
            'try {',
            prepareDirectory(project, temporary, prepare.strategy),
            ...variables.files.map(
              ({ key, value }) =>
                `[IO.File]::WriteAllText(${pwshQuote(variableFile(paths, key))}, ${pwshQuote(value)})`,
            ),
            '} catch { [Console]::Out.WriteLine($_); $rc_status = 1 }',
            'if ($rc_status -eq 0) {',
            `rc_mark "host $([Environment]::MachineName) $rc_home", "begin get_sources $(rc_time)"`,
            ...(prepare.git === undefined ? [] : [sources(options, prepare.git, project)]),
            '}',
          ]),
      ...options.stages.map((stage) => runStage(options, stage, project)),
      ...(options.cleanUp ? [`Remove-Item -LiteralPath ${temporary} -Recurse -Force -ErrorAction Ignore`] : []),
      'rc_mark "end $rc_status $(rc_time)", "unswept"',
      'exit 0\n',
    ].join('\n'),
  )
}

function markFunction(nonce: string): string {
  return `function rc_mark([string[]] $bodies) {
  $text = -join ($bodies | ForEach-Object { "$([char] 30)${nonce} $_$([char] 30)" })
  $bytes = [Text.Encoding]::UTF8.GetBytes($text); $rc_out.Write($bytes, 0, $bytes.Length); $rc_out.Flush()
}
function rc_time { ([Environment]::TickCount64 / 1000).ToString('0.00', [Globalization.CultureInfo]::InvariantCulture) }`
}

/**
 * Runs a program whose output goes where this one's does, with a text on its standard input; returns its exit status.
 */
const runFunction = `function rc_run([string] $program, [string[]] $arguments, [string] $directory, [string] $text) {
  $info = [Diagnostics.ProcessStartInfo]::new($program); $info.UseShellExecute = $false
  $info.RedirectStandardInput = $true; $info.StandardInputEncoding = [Text.UTF8Encoding]::new($false); $info.WorkingDirectory = $directory
  foreach ($argument in $arguments) { $info.ArgumentList.Add($argument) }
  $process = [Diagnostics.Process]::Start($info)
  try { $process.StandardInput.Write($text); $process.StandardInput.Close() } catch [IO.IOException] { }
  $process.WaitForExit(); $process.ExitCode
}`

/** Makes the directories where they do not stand yet, and empties the temporary one. */
function prepareDirectory(project: string, temporary: string, strategy: GitStrategy): string {
  return [
    ...(strategy === 'empty' ? [`Remove-Item -LiteralPath ${project} -Recurse -Force -ErrorAction Ignore`] : []),
    `Remove-Item -LiteralPath ${temporary} -Recurse -Force -ErrorAction Ignore`,
    `New-Item -ItemType Directory -Force -Path ${project}, ${temporary} | Out-Null`,
    `if (-not $IsWindows) { chmod 700 ${temporary} }`,
  ].join('\n')
}

function sources(options: PwshScriptOptions, git: GitSources, project: string): string {
  const script = [
    '{ unset GIT_PREFIX GIT_DIR GIT_WORK_TREE GIT_CONFIG_PARAMETERS GIT_CONFIG_COUNT; exec 2>&1; set -- "$rc_home" 0',
    `cd ${quote(options.paths.projectDir)} || exit`,
    getSources(options, git),
    'exit $2',
    '}\n',
  ].join('\n')
  return [
    'if (-not (Get-Command git -CommandType Application -ErrorAction Ignore)) { rc_mark "failed git_missing"; $rc_status = 1 } else {',
    '$env:rc_home = $rc_home',
    // The script holds the login's directory as a word of its own shell.
    `$rc_status = rc_run 'git' @('-c', 'alias.run-sources=!sh', 'run-sources') ${project} ${pwshQuote(script)}`,
    '$env:rc_home = $null',
    '}',
  ].join('\n')
}

function runStage({ paths, variables, debugTrace }: PwshScriptOptions, stage: ScriptStage, project: string): string {
  const file = pwshQuote(`${paths.temporaryDir}/rc_step.ps1`)
  return [
    'if ($rc_status -eq 0) {',
    `rc_mark "begin ${stage.name} $(rc_time)"`,
    `[IO.File]::WriteAllText(${file}, ${pwshQuote(stepText(paths, variables, stage, debugTrace))})`,
    `$rc_status = rc_run ([Environment]::ProcessPath) @('-NoProfile', '-NoLogo', '-NonInteractive', '-ExecutionPolicy', 'Bypass', '-File', ${file}, $rc_home) ${project} ''`,
    `Remove-Item -LiteralPath ${file} -Force -ErrorAction Ignore`,
    '}',
  ].join('\n')
}

function stepText(paths: BuildPaths, variables: ShellVariables, stage: ScriptStage, debugTrace: boolean): string {
  const names = variables.exported.map(({ key }) => `'${key}'`).join(', ')
  const set = (name: string, value: string): string =>
    `try { Set-Variable -Scope Global -Name ${name} -Value ${value} -ErrorAction Stop } catch { }`
  return [
    'param([string] $rc_home)',
    "$ErrorActionPreference = 'Stop'",
    // Some names are PowerShell's own, which it lets nobody set.
    `foreach ($rc_n in @(${names})) { ${set('$rc_n', '([Environment]::GetEnvironmentVariable($rc_n))')} }`,
    ...variables.shellOnly.map(({ key, value, file }) => set(key, pwshQuote(file ? variableFile(paths, key) : value))),
    ...(stage.takesJobEnv
      ? [
          'if (Test-Path -LiteralPath $env:GITLAB_ENV) { foreach ($rc_n in [IO.File]::ReadAllLines($env:GITLAB_ENV)) {',
          "$rc_n, $rc_l = $rc_n -split '=', 2",
          `if ($rc_n) { [Environment]::SetEnvironmentVariable($rc_n, $rc_l); ${set('$rc_n', '$rc_l')} }`,
          '} }',
        ]
      : []),
    "Remove-Variable -Name @('rc_n', 'rc_l', 'rc_home') -ErrorAction Ignore",
    ...(debugTrace ? ['Set-PSDebug -Trace 2'] : []),
    ...stage.lines
      .map((line) => line.trim())
      .filter((line) => line !== '')
      .flatMap((line) => [
        `[Console]::Out.WriteLine(${pwshQuote(`\x1b[32;1m$ ${shownCommand(line)}\x1b[0;m`)})`,
        line,
        failFast,
      ]),
    '',
  ].join('\n')
}

const failFast = 'if (!$?) { exit $(if ($LASTEXITCODE) { $LASTEXITCODE } else { 1 }) }'

function shownCommand(line: string): string {
  const [first, ...rest] = line.split('\n') as [string, ...string[]]
  return rest.length === 0 ? line : `${first} # collapsed multi-line command`
}
