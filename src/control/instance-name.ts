/** How the names of daemons' locks begin among a network namespace's abstract Unix sockets: `weft/flannel.1`. */
export const instancePrefix = 'weft/';
