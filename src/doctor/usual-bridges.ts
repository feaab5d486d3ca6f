/** Bridges that container runtimes make for the subnet of subnet.env: Docker's, and the CNI plugin's. */
export const usualBridges: readonly string[] = ['docker0', 'cni0'];
