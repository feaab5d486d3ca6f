/** Where the daemon that writes a subnet file answers questions: `/run/flannel/subnet.sock` for `/run/flannel/subnet.env`. */
export function controlPath(subnetFile: string): string {
  return `${subnetFile.replace(/\.env$/, '')}.sock`;
}
