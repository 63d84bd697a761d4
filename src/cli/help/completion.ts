import { Argument, Command } from 'commander'
import { guarded } from '../output/fail.ts'

type Shell = 'bash' | 'zsh' | 'fish'

export function completionCommand(): Command {
  return new Command('completion')
    .description('print what makes a shell complete commands, options and the names that there are')
    .addArgument(new Argument('<shell>').choices(['bash', 'zsh', 'fish']))
    .addHelpText(
      'after',
      `
Examples:
  source <(cnm completion bash)
  cnm completion zsh > /usr/local/share/zsh/site-functions/_cnm
  cnm completion fish > ~/.config/fish/completions/cnm.fish`,
    )
    .action(
      guarded(async (shell: Shell) => {
        process.stdout.write(scripts[shell])
        return 0
      }),
    )
}

const scripts: Readonly<Record<Shell, string>> = {
  bash: `_cnm() {
  local IFS=$'\\n' words=("\${COMP_WORDS[@]:1:COMP_CWORD}")
  COMPREPLY=($(cnm __complete -- "\${words[@]}" 2>/dev/null | cut -f 1))
  if ((\${#COMPREPLY[@]} == 0)); then
    compopt -o bashdefault -o default
  fi
}
complete -F _cnm cnm
`,
  zsh: `#compdef cnm
_cnm() {
  local line found=()
  while IFS= read -r line; do
    found+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
  done < <(cnm __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)
  if ((\${#found})); then
    _describe cnm found
  else
    _default
  fi
}
if [[ $funcstack[1] == _cnm ]]; then
  _cnm
else
  compdef _cnm cnm
fi
`,
  fish: `function __cnm_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l found (cnm __complete -- $words[2..-1] 2>/dev/null)
    if set -q found[1]
        printf '%s\\n' $found
    else
        __fish_complete_path (commandline -ct)
    end
end
complete -c cnm -f -a '(__cnm_complete)'
`,
}
