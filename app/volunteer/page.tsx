import type { Metadata } from 'next';
import { VolunteerPage } from '#components/volunteer/volunteer-page.tsx';

export const metadata: Metadata = { title: 'Contribute' };

export default function Page() {
  return <VolunteerPage />;
}
