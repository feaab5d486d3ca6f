import { gallery } from './gallery/gallery.ts';
import { networkFaults } from './gallery/network-faults.ts';

gallery('network', networkFaults);
