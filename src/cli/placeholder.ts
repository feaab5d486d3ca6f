/**
 * What stands for a value in help says at the same time what can be typed there. Alternatives are separated by `|`:
 *
 *     auto|text|json   these words
 *     FILE, PATH       a file; FOLDER a folder
 *     IFACE, DEV       an interface of this host with an address; any of its devices
 *     LAB, PLACE       a lab, a place in it; these and more like them are in completion-values.ts
 *     COMMAND          a program, with arguments after it when it may be repeated
 *     etcd|dir:PATH    a word, or dir: and a file behind it
 *     URL, N, TEXT     anything else in capitals: nobody but the caller knows
 */
export type Alternative =
  | { readonly kind: 'word'; readonly text: string }
  /** `prefix` comes before the value: `dir:`. */
  | { readonly kind: 'name'; readonly text: string; readonly name: string; readonly prefix: string };

/** The alternatives of a placeholder; a form that completion knows nothing of is left out. */
export function alternativesOf(placeholder: string): Alternative[] {
  return placeholder.split('|').flatMap((text): Alternative[] => {
    if (/^[a-z0-9][a-z0-9.-]*$/.test(text)) return [{ kind: 'word', text }];
    const [, prefix = '', name] = /^([a-z]+[:=])?([A-Z][A-Z-]*)$/.exec(text) ?? [];
    return name === undefined ? [] : [{ kind: 'name', text, name, prefix }];
  });
}
