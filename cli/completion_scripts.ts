/**
 * The completion scripts of the shells. Each script passes the line or its
 * words to `deltar complete`. No command in the line is run. The shell or the
 * script quotes the completions.
 *
 * The first line of the output of `deltar complete` has flags: `files` or
 * `directories` if the shell should complete paths of this kind itself, `quote`
 * if the completions might need quotes, and `open` if no blank should follow
 * the completion. Each other line is a completion. For zsh and fish, the
 * completion can be followed by a tab and a description. For PowerShell, the
 * output is a JSON array instead.
 *
 * @module
 */

const BASH = String.raw`# bash completion for deltar
_deltar() {
  local line flags= isFirst=1
  COMPREPLY=()
  while IFS= read -r line; do
    if [[ $isFirst ]]; then
      flags=" $line " isFirst=
    else
      COMPREPLY+=("$line")
    fi
  done < <(command deltar complete bash "\${COMP_LINE:0:COMP_POINT}" "$2" \
    2>/dev/null </dev/null)
  if ! type compopt >/dev/null 2>&1; then
    # bash 3.2 inserts words as they are.
    local at
    for at in "\${!COMPREPLY[@]}"; do
      [[ $flags != *" quote "* ]] || printf -v "COMPREPLY[at]" %q "\${COMPREPLY[at]}"
    done
    return
  fi
  case $flags in
    *" files "*) compopt -o default ;;
    *" directories "*) compopt -o dirnames ;;
  esac
  [[ $flags != *" quote "* ]] || compopt -o filenames
  [[ $flags != *" open "* ]] || compopt -o nospace
}
if type compopt >/dev/null 2>&1; then
  complete -o nosort -F _deltar deltar 2>/dev/null || complete -F _deltar deltar
else
  complete -o default -F _deltar deltar
fi
`.replaceAll("\\${", "${");

const ZSH = String.raw`#compdef deltar
_deltar() {
  local -a before lines closed open shown
  local line word
  (( CURRENT > 2 )) && before=("\${(@Q)words[2,CURRENT-1]}")
  lines=("\${(@f)$(command deltar complete zsh "\${before[@]}" \
    "\${(Q)PREFIX}" 2>/dev/null </dev/null)}")
  case $lines[1] in
    *files*) compset -P '--*='; _files; return ;;
    *directories*) compset -P '--*='; _files -/; return ;;
  esac
  shift lines
  for line in "\${lines[@]}"; do
    word=\${line%%$'\t'*}
    if [[ $word == */ ]]; then
      open+=("$word")
    else
      closed+=("$word")
      shown+=("\${line/$'\t'/  -- }")
    fi
  done
  if [[ "\${(j::)lines}" == *$'\t'* ]]; then
    compadd -V deltar -l -d shown -a closed
  else
    compadd -a closed
  fi
  compadd -S '' -a open
}
if [[ $funcstack[1] == _deltar ]]; then
  _deltar "$@"
else
  compdef _deltar deltar
fi
`.replaceAll("\\${", "${");

const FISH = String.raw`# fish completion for deltar
function __deltar_complete
    set -l before (commandline -xpc 2>/dev/null; or commandline -opc)
    set -e before[1]
    set -l current (commandline -ct)
    set -l lines (command deltar complete fish $before "$current" 2>/dev/null </dev/null)
    test (count $lines) -gt 0; or return
    set -l flags $lines[1]
    set -e lines[1]
    set -l prefix (string match -r -- '^--[^=]*=' "$current")
    set -l rest (string replace -r -- '^--[^=]*=' '' "$current")
    switch "$flags"
        case '*directories*'
            for name in (__fish_complete_directories "$rest")
                printf '%s\n' "$prefix$name"
            end
        case '*files*'
            for name in (__fish_complete_path "$rest")
                printf '%s\n' "$prefix$name"
            end
        case '*'
            test (count $lines) -gt 0; and printf '%s\n' $lines
    end
end
complete -c deltar -f -k -a '(__deltar_complete)'
`;

const POWERSHELL = String
  .raw`Register-ArgumentCompleter -Native -CommandName deltar, deltar.exe -ScriptBlock {
  param($word, $ast, $cursor)
  $elements = $ast.CommandElements | Select-Object -Skip 1 |
    Where-Object { $_.Extent.EndOffset -lt $cursor }
  $words = @($elements | ForEach-Object {
    if ($_ -is [System.Management.Automation.Language.StringConstantExpressionAst]) { $_.Value }
    else { $_.Extent.Text }
  })
  $words += ([string]$word).Trim([char[]]@("'", '"'))
  $json = ConvertTo-Json -Compress -InputObject $words
  $line = [Convert]::ToBase64String([Text.Encoding]::UTF8.GetBytes($json))
  $answer = deltar complete powershell $line 2>$null
  if (-not $answer) { return }
  foreach ($one in ($answer | ConvertFrom-Json)) {
    $text = $one.word
    if ($text -notmatch '^[\w.:/~=+-]+$') {
      $inner = [System.Management.Automation.Language.CodeGeneration]::EscapeSingleQuotedStringContent($text)
      $text = "'" + $inner + "'"
    }
    [System.Management.Automation.CompletionResult]::new($text, $one.word, 'ParameterValue', $one.about)
  }
}
`;

/** The completion scripts, by the names of the shells. */
export const SCRIPTS: Readonly<Record<string, string>> = {
  bash: BASH,
  zsh: ZSH,
  fish: FISH,
  powershell: POWERSHELL,
};

/** The names of the shells that have a completion script. */
export const SHELLS = Object.keys(SCRIPTS);
